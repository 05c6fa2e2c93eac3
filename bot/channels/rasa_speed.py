"""Two places where Rasa 3.6 does the same work anew for every message, done once instead.

The check of what an action returns stays; only the check of its *schema* is not repeated (about
16 ms a custom action). And an event's class is looked up by name in a table instead of by walking
all subclasses (most of the time that reading a tracker takes). A test fails when Rasa's own code at
these places changes, for then both must be looked at again.
"""

from __future__ import annotations

import hashlib
import inspect
from functools import lru_cache
from typing import Any

from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from rasa.core.actions.action import RemoteAction
from rasa.shared.core.events import Event

_resolve = Event.resolve_by_type
# What was read when the replacements were written: function → start of its source's SHA-256.
KNOWN = {
    "RemoteAction._validate_action_result": "f8cdb4be68123961",
    "RemoteAction.action_response_format_spec": "091b74aa3738d126",
    "Event.resolve_by_type": "b5cf570fa7f286c7",
}
ORIGINALS = {
    "RemoteAction._validate_action_result": RemoteAction._validate_action_result,
    "RemoteAction.action_response_format_spec": RemoteAction.action_response_format_spec,
    "Event.resolve_by_type": _resolve,
}


def fingerprint(name: str) -> str:
    """The start of the SHA-256 of the source that Rasa has at this place."""
    source = inspect.getsource(ORIGINALS[name])
    return hashlib.sha256(source.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _validator() -> Any:
    schema = RemoteAction.action_response_format_spec()
    kind = validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def _validate_action_result(self: RemoteAction, result: dict[str, Any]) -> bool:
    """As Rasa's: True, or a ValidationError; the schema itself is checked once a process."""
    error = best_match(_validator().iter_errors(result))
    if error is not None:
        error.message += ". The action server's answer does not have the form that Rasa expects."
        raise error
    return True


@lru_cache(maxsize=256)
def _class_of(type_name: str, default: Any) -> Any:
    return _resolve(type_name, default)


def _resolve_by_type(type_name: str, default: Any = None) -> Any:
    """As Rasa's, from a table; an unknown name raises each time, as there."""
    return _class_of(type_name, default)


def install() -> None:
    """Put both in place; doing it twice is once."""
    RemoteAction._validate_action_result = _validate_action_result
    Event.resolve_by_type = staticmethod(_resolve_by_type)
