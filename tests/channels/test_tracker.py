"""Conversations in Linli's own database: kept, read back, out of the migrations' way."""

from __future__ import annotations

import threading

import pytest
from alembic import command
from alembic.config import Config
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import SlotSet
from rasa.utils.endpoints import EndpointConfig, read_endpoint_config
from sqlalchemy import text

from bot.channels import tracker
from bot.channels.tracker import LinliTrackerStore
from bot.settings import ROOT
from tests.databases import Database, migrate


@pytest.fixture
def store(database: Database) -> LinliTrackerStore:
    return LinliTrackerStore(Domain.empty(), database.url)


async def test_a_conversation_survives_its_process(store, database):
    conversation = await store.get_or_create_tracker("visitor")
    conversation.update(SlotSet("place", "3号楼"))
    await store.save(conversation)
    after = await LinliTrackerStore(Domain.empty(), database.url).retrieve("visitor")
    assert list(after.events)[-1] == SlotSet("place", "3号楼")


async def test_many_senders_are_saved_while_others_write(store, database):
    """On SQLite a second writer must wait, not fail with "database is locked"."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with database.factory.begin() as session:
                session.execute(text("update counter set value = value + 1"))

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(20):
        conversation = await store.get_or_create_tracker(f"visitor-{number}")
        conversation.update(SlotSet("place", number))
        await store.save(conversation)
    stop.set()
    writer.join()
    assert len(list(await store.keys())) == 20


def test_rasas_table_is_no_matter_of_the_migrations(store, database):
    migrate(database.url)
    config = Config()
    config.set_main_option("script_location", str(ROOT / "bot" / "store" / "migrations"))
    config.set_main_option("sqlalchemy.url", database.url.replace("%", "%%"))
    command.check(config)  # raises when models and database differ


def test_rasa_finds_the_store_by_its_name_in_endpoints(monkeypatch, sqlite_database):
    """Rasa falls back to memory without more than a warning when a name does not fit."""
    monkeypatch.setenv("LINLI_ACTIONS_PORT", "5055")
    url = sqlite_database.url
    config = tracker.settings().copy(update={"database_url": url})
    monkeypatch.setattr(tracker, "settings", lambda: config)
    named = read_endpoint_config(str(ROOT / "endpoints.yml"), "tracker_store")
    assert isinstance(named, EndpointConfig)
    made = TrackerStore.create(named, Domain.empty())
    assert isinstance(made, LinliTrackerStore)
    assert str(made.engine.url) == url
