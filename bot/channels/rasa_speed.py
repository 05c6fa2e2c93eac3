"""Six places where Rasa 3.6 makes residents wait, replaced.

The check of what an action returns stays; only the check of its *schema* is not repeated (about
16 ms a custom action). An event's class is looked up by name in a table instead of by walking all
subclasses (most of the time that reading a tracker takes). And a model is loaded in a thread: Rasa
loads it in the event loop, which for a second or two answers nobody, not even to acknowledge. The
domain in the archive, half of that time, is read again only where it differs from the one before.
The components run one after the other without dask's scheduler, and what an empty domain looks like
is worked out once, not for each message. A test fails when Rasa's own code at these places changes,
for then all must be looked at again.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import sys
from collections.abc import Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from rasa import server
from rasa.core.actions.action import RemoteAction
from rasa.core.agent import Agent
from rasa.engine.runner import dask as runner
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.graph_components.providers.domain_provider import DomainProvider
from rasa.shared.core.domain import Domain
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
    "DomainProvider.load": "75a21f7228a83368",
    "DaskGraphRunner.run": "45f0f52f574f3aa9",
    "Domain.is_empty": "884be90ef485f1d2",
}
ORIGINALS = {
    "RemoteAction._validate_action_result": RemoteAction._validate_action_result,
    "RemoteAction.action_response_format_spec": RemoteAction.action_response_format_spec,
    "Event.resolve_by_type": _resolve,
    "server._load_agent": _load,
    "DomainProvider.load": DomainProvider.load,
    "DaskGraphRunner.run": runner.DaskGraphRunner.run,
    "Domain.is_empty": Domain.is_empty,
}
# Seconds; a thread that loads a model lets go of the interpreter ten times as often as by default,
# since an answer needs it dozens of times.
LOADING_SWITCH_INTERVAL = 0.0005


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
        usual = sys.getswitchinterval()
        sys.setswitchinterval(LOADING_SWITCH_INTERVAL)
        try:
            return await asyncio.to_thread(lambda: asyncio.run(_load(**options)))
        finally:
            sys.setswitchinterval(usual)


@lru_cache(maxsize=2)
def _domain(text: str) -> Domain:
    return Domain.from_yaml(text)


def _load_domain(
    cls: type[DomainProvider],
    config: dict[str, Any],
    model_storage: ModelStorage,
    resource: Resource,
    *_: Any,
    **__: Any,
) -> DomainProvider:
    """As Rasa's; two models with the same words of domain.yml share one domain."""
    with model_storage.read_from(resource) as folder:
        text = (folder / "domain.yml").read_text("utf-8")
    return cls(model_storage, resource, _domain(text))


def _get(graph: dict[str, Any], targets: Sequence[str]) -> list[Any]:
    """As `dask.get`: each node that a target needs runs once, after those it needs itself."""
    # What the caller puts in is a pair of a name and a value, not something to run.
    done = {name: task for name, task in graph.items() if not callable(task[0])}

    def value(name: str) -> Any:
        if name not in done:
            run, *needs = graph[name]
            done[name] = run(*(value(need) if need in graph else need for need in needs))
        return done[name]

    return [value(target) for target in targets]


@lru_cache(maxsize=1)
def _nothing() -> dict[str, Any]:
    return Domain.empty().as_dict()


def _is_empty(self: Domain) -> bool:
    """As Rasa's."""
    return bool(self.as_dict() == _nothing())


def install() -> None:
    """Put all in place; doing it twice is once."""
    server._load_agent = _load_agent
    DomainProvider.load = classmethod(_load_domain)
    RemoteAction._validate_action_result = _validate_action_result
    runner.dask = SimpleNamespace(get=_get)
    Domain.is_empty = _is_empty
    Event.resolve_by_type = staticmethod(_resolve_by_type)
