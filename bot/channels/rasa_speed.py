"""Three places where Rasa 3.6 makes residents wait, replaced.

The check of what an action returns stays; only the check of its *schema* is not repeated (about
16 ms a custom action). An event's class is looked up by name in a table instead of by walking all
subclasses (most of the time that reading a tracker takes). And a model is loaded in a thread: Rasa
loads it in the event loop, which for a second or two answers nobody, not even to acknowledge. A
test fails when Rasa's own code at these places changes, for then all must be looked at again.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from functools import lru_cache
from typing import Any

from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from rasa import server
from rasa.core.actions.action import RemoteAction
from rasa.core.agent import Agent
from rasa.shared.core.events import Event

_resolve = Event.resolve_by_type
_load = server._load_agent
_loading = asyncio.Lock()
# What was read when the replacements were written: function → start of its source's SHA-256.
KNOWN = {
    "RemoteAction._validate_action_result": "f8cdb4be68123961",
    "RemoteAction.action_response_format_spec": "091b74aa3738d126",
    "Event.resolve_by_type": "b5cf570fa7f286c7",
    "server._load_agent": "a9f77df6bc59de8e",
}
ORIGINALS = {
    "RemoteAction._validate_action_result": RemoteAction._validate_action_result,
    "RemoteAction.action_response_format_spec": RemoteAction.action_response_format_spec,
    "Event.resolve_by_type": _resolve,
    "server._load_agent": _load,
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


async def _load_agent(**options: Any) -> Agent:
    """As Rasa's, in a thread with a loop of its own; meanwhile the old model goes on answering.

    One after another, so that the model asked for last is the one that stays.
    """
    async with _loading:
        return await asyncio.to_thread(lambda: asyncio.run(_load(**options)))


def install() -> None:
    """Put all in place; doing it twice is once."""
    server._load_agent = _load_agent
    RemoteAction._validate_action_result = _validate_action_result
    Event.resolve_by_type = staticmethod(_resolve_by_type)
