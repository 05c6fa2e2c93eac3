"""The replacements of Rasa's code do what that code does, and are looked at when it changes."""

import asyncio
import threading

import dask
import pytest
from jsonschema import ValidationError
from rasa import server
from rasa.core.actions.action import RemoteAction
from rasa.engine.runner import dask as runner
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.graph_components.providers.domain_provider import DomainProvider
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import Event, SlotSet, UserUttered

from bot.channels import rasa_speed
from bot.settings import ROOT


@pytest.fixture(autouse=True)
def installed():
    rasa_speed.install()


@pytest.mark.parametrize("name", rasa_speed.KNOWN)
def test_rasa_has_not_changed_underneath(name):
    assert rasa_speed.fingerprint(name) == rasa_speed.KNOWN[name], (
        f"{name} is not what the replacement was written for: read it again"
    )


def test_a_good_answer_of_an_action_passes():
    good = {"events": [{"event": "slot", "name": "a", "value": 1}], "responses": [{"text": "好"}]}
    assert RemoteAction("action_x", None)._validate_action_result(good)


@pytest.mark.parametrize(
    "bad", [{"events": "none"}, {"events": [{"name": "no type"}]}, {"responses": "好"}]
)
def test_a_malformed_answer_is_still_refused(bad):
    with pytest.raises(ValidationError):
        RemoteAction("action_x", None)._validate_action_result(bad)


def test_events_are_found_by_name_as_before():
    for name in ("slot", "user", "bot", "action", "topic"):
        assert Event.resolve_by_type(name) is rasa_speed.ORIGINALS["Event.resolve_by_type"](name)
    assert Event.resolve_by_type("slot") is SlotSet
    assert Event.resolve_by_type("unknown", UserUttered) is UserUttered


def test_an_unknown_event_is_refused_each_time():
    for _ in range(2):
        with pytest.raises(ValueError, match="Unknown event"):
            Event.resolve_by_type("no such event")


async def test_a_model_is_loaded_beside_the_loop_that_serves(monkeypatch):
    served = asyncio.Event()

    async def load(model_path):
        assert threading.current_thread() is not threading.main_thread()
        # Comes back only if the serving loop runs meanwhile.
        asyncio.run_coroutine_threadsafe(say_served(), loop).result(30)
        return f"agent of {model_path}"

    async def say_served():
        served.set()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(rasa_speed, "_load", load)
    assert await server._load_agent(model_path="new.tar.gz") == "agent of new.tar.gz"
    assert served.is_set()


async def test_a_model_that_cannot_be_loaded_is_refused_as_before():
    with pytest.raises(server.ErrorResponse):
        await server._load_agent(model_path="no/such/model.tar.gz")


def test_the_domain_in_an_archive_is_read_as_before(tmp_path):
    storage = LocalModelStorage(tmp_path)
    resource = Resource("domain")
    domain = Domain.load(ROOT / "domain.yml")
    with storage.write_to(resource) as folder:
        domain.persist(folder / "domain.yml")
    original = rasa_speed.ORIGINALS["DomainProvider.load"]
    read = [
        load({}, storage, resource, None).provide_inference()
        for load in (original, DomainProvider.load, DomainProvider.load)
    ]
    assert read[0].as_dict() == read[1].as_dict() == domain.as_dict()
    assert read[1] is read[2]
    with storage.write_to(resource) as folder:
        changed = (folder / "domain.yml").read_text("utf-8").replace("intents:", "intents:\n- new")
        (folder / "domain.yml").write_text(changed, "utf-8")
    assert "new" in DomainProvider.load({}, storage, resource, None).provide_inference().intents


def test_nodes_run_once_each_after_what_they_need_as_dask_runs_them():
    calls: list[str] = []

    def node(name):
        def run(*inputs):
            calls.append(name)
            return name, inputs

        return run

    graph = {
        "text": ("text", "漏水了"),
        "words": (node("words"), "text"),
        "counts": (node("counts"), "words", "not there"),
        "intent": (node("intent"), "counts", "words"),
    }
    ours = runner.dask.get(graph, ["intent", "words"])
    assert calls == ["words", "counts", "intent"]
    assert dict(ours) == dict(dask.get(graph, ["intent", "words"]))


def test_a_node_that_fails_fails_the_run_as_before():
    def broken(*_):
        raise ValueError("no such word")

    for get in (dask.get, runner.dask.get):
        with pytest.raises(ValueError, match="no such word"):
            get({"text": ("text", "x"), "node": (broken, "text")}, ["node"])


def test_an_empty_domain_is_told_from_one_with_words():
    assert Domain.empty().is_empty()
    assert not Domain.from_dict({"intents": ["greet"]}).is_empty()
