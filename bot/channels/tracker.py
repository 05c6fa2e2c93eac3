"""Rasa's tracker store on Linli's own database, and a turn read back from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, Event, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool

from bot.channels import turns
from bot.channels.replies import Reply, normalise
from bot.channels.turns import TakenOver, TrackerFailed
from bot.services import inbox
from bot.services.clock import now
from bot.settings import settings
from bot.store.models import Resident

EVENTS = SQLTrackerStore.SQLEvent.__table__
BUSY_MILLISECONDS = 30_000


def make_engine(url: str) -> Engine:
    """Engine for the tracker. Unlike the core's it is SQLAlchemy 1.x style, as Rasa expects."""
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    engine = sa.create_engine(url, poolclass=QueuePool, connect_args={"check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        cursor.close()

    return engine


class LinliTrackerStore(SQLTrackerStore):
    """The conversation events, in table `events` of LINLI_DATABASE_URL.

    Wired in endpoints.yml. Rasa's class would make an engine from parts of an address and without
    the settings that let several processes share one SQLite file.
    """

    def __init__(
        self,
        domain: Domain | None = None,
        host: str | None = None,
        event_broker: EventBroker | None = None,
        **kwargs: Any,
    ) -> None:
        # Not SQLTrackerStore.__init__, which connects to a database of its own making. What
        # endpoints.yml calls `url` comes as `host`; tests use it.
        super(SQLTrackerStore, self).__init__(domain, event_broker, **kwargs)
        self.engine = make_engine(host or settings().database_url)
        EVENTS.create(self.engine, checkfirst=True)
        self.sessionmaker = sa.orm.sessionmaker(bind=self.engine)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """As Rasa's; raises TrackerFailed in a turn of our channels, for Rasa would start anew."""
        try:
            return await super().retrieve(sender_id)
        except Exception as error:
            if turns.current() is None:
                raise
            raise TrackerFailed(str(error)) from error

    async def save(self, tracker: DialogueStateTracker) -> None:
        """As Rasa's, but a turn of our channels is saved only by the try that has the message.

        Raises TakenOver or TrackerFailed there; Rasa would save in memory and go on.
        """
        try:
            await super().save(tracker)
        except Exception as error:
            if turns.current() is None:
                raise
            raise TrackerFailed(str(error)) from error

    def _additional_events(
        self, session: Session, tracker: DialogueStateTracker
    ) -> Iterator[Event]:
        """Rasa's first step in the commit of a turn; here too, before anything is counted."""
        claimed = turns.current()
        if claimed is not None and not inbox.hold(session, claimed, now()):
            raise TakenOver(f"message {claimed.id} was taken over after try {claimed.attempt}")
        found: Iterator[Event] = super()._additional_events(session, tracker)
        return found


def turn(factory: sessionmaker, sender: str, message_id: str) -> list[Reply] | None:
    """Replies to a message whose turn is in the tracker; None when it is not.

    Rasa saves a turn in one commit at its end, so what is there is whole.
    """
    events = _events_from(factory, sender, message_id)
    if events is None:
        return None
    found = []
    for event in events:
        if event["event"] == UserUttered.type_name:
            break
        if event["event"] == BotUttered.type_name:
            found.append(normalise({"text": event.get("text"), **(event.get("data") or {})}))
    return [reply for reply in found if reply]


def forget_deleted(factory: sessionmaker, resident_id: int, sender: str) -> None:
    """Delete the conversation of a resident who had the personal data deleted in this turn.

    Only now: Rasa counts the stored events of a turn that it saves, and would store all anew.
    """
    with factory.begin() as session:
        known_as = session.scalar(select(Resident.external_id).where(Resident.id == resident_id))
        if known_as != sender:
            session.execute(sa.delete(EVENTS).where(EVENTS.c.sender_id == sender))


def _events_from(
    factory: sessionmaker, sender: str, message_id: str
) -> list[dict[str, Any]] | None:
    """User and bot events after the message with this id, oldest first."""
    of_sender = EVENTS.c.sender_id == sender
    users = select(EVENTS.c.id, EVENTS.c.data).where(
        of_sender, EVENTS.c.type_name == UserUttered.type_name
    )
    with factory() as session:
        number = next(
            (
                row.id
                for row in session.execute(users.order_by(EVENTS.c.id.desc()))
                if json.loads(row.data).get("message_id") == message_id
            ),
            None,
        )
        if number is None:
            return None
        later = select(EVENTS.c.data).where(
            of_sender,
            EVENTS.c.id > number,
            EVENTS.c.type_name.in_([UserUttered.type_name, BotUttered.type_name]),
        )
        return [json.loads(row) for row in session.scalars(later.order_by(EVENTS.c.id))]
