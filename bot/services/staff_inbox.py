"""Messages and card taps from staff: stored first, handled once and in order, like residents'.

The same table as for residents, on the channel `wecom`, and the same lease (`inbox.renew`,
`inbox.give_back`), but no resident and no chat history.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.services import insert_ignore, outbox
from bot.services.inbox import LEASE, Inbound, Try, held, hold, oldest
from bot.store.models import InboxMessage

CHANNEL = "wecom"
Clock = Callable[[], dt.datetime]


class TakenOver(Exception):
    """Another try has the message now."""


def receive(factory: sessionmaker, message: Inbound, now: dt.datetime) -> bool:
    """Store a message, once; False when its key came before with another body."""
    values = {
        "channel": message.channel,
        "key": message.key,
        "sender": message.sender,
        "kind": message.kind,
        "text": message.text[:2000],
        "media": message.media,
        "body_hash": message.body_hash,
        "status": "received",
        "attempts": 0,
        "received_at": now,
    }
    with factory.begin() as session:
        new_id = insert_ignore(session, InboxMessage, values, ["channel", "key"])
        if new_id is not None:
            return True
        row = session.scalars(
            select(InboxMessage).where(
                InboxMessage.channel == message.channel, InboxMessage.key == message.key
            )
        ).one()
        return bool(row.body_hash == message.body_hash and row.sender == message.sender)


def claim_next(factory: sessionmaker, sender: str, *, owner: str, now: dt.datetime) -> Try | None:
    """The sender's oldest unfinished message under a lease; None while another one runs."""
    with factory.begin() as session:
        row = oldest(session, CHANNEL, sender)
        if row is None or (row.status == "running" and row.lease_until > now):
            return None
        row.attempts += 1
        row.status, row.lease_until, row.lease_owner = "running", now + LEASE, owner
        message = Inbound(CHANNEL, row.key, sender, row.text, row.kind, row.media)
        return Try(row.id, message, row.attempts)


def finish(
    factory: sessionmaker, claimed: Try, member_id: int | None, answer: str, now: dt.datetime
) -> bool:
    """The message is handled: what the member is told goes into the outbox, once.

    False when this try no longer has it.
    """
    with factory.begin() as session:
        row = held(session, claimed)
        if row is None:
            return False
        row.status, row.done_at, row.lease_until = "done", now, None
        row.replies = [{"text": answer}]
        if member_id is not None:
            outbox.put(
                session,
                to="member",
                recipient_id=member_id,
                kind="reply",
                payload={"text": answer},
                dedup_key=f"staff:{claimed.id}",
                at=now,
            )
        return True


class _HeldFactory:
    """Stands in for a session factory: each transaction holds the message, or is not begun."""

    def __init__(self, factory: sessionmaker, claimed: Try, now: Clock) -> None:
        self._factory, self._claimed, self._now = factory, claimed, now

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction during which nobody else can claim the message. Raises TakenOver."""
        with self._factory.begin() as session:
            if not hold(session, self._claimed, self._now()):
                attempt = self._claimed.attempt
                raise TakenOver(f"message {self._claimed.id} was taken over after try {attempt}")
            yield session

    def __call__(self) -> Session:
        return cast(Session, self._factory())


def while_held(factory: sessionmaker, claimed: Try, now: Clock) -> sessionmaker:
    """A factory for the steps that a message asks for: only the try that has it may take them."""
    return cast(sessionmaker, _HeldFactory(factory, claimed, now))
