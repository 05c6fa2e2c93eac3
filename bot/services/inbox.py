"""Messages from residents: stored before they are acknowledged, handled once, in order.

A channel calls `receive` (one transaction, durable), then drains the sender: `claim_next` hands
out the oldest unfinished message under a lease, `finish` stores the replies. A process that dies
leaves a lease that runs out; `stalled` names the senders for whom someone should drain again.
One that is merely slow renews its lease (`hold`); where it comes too late for that, and another
has claimed the message, it can neither finish nor give back what is no longer its own.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, sessionmaker

from bot.services import insert_ignore, residents
from bot.store.models import ChatMessage, InboxMessage

LEASE = dt.timedelta(seconds=30)
MAX_ATTEMPTS = 5
MAX_TEXT = 10_000


@dataclass(frozen=True)
class Inbound:
    """One message as the channel understood it. `key` is unique within the channel."""

    channel: str
    key: str
    sender: str
    text: str
    kind: str = "text"  # text | image | voice | video | location | link | event | tap
    media: dict[str, Any] = field(default_factory=dict)
    body_hash: str | None = None


@dataclass(frozen=True)
class Received:
    """Whether the message is new; if not, whether its body is the same and its replies."""

    id: int
    resident_id: int
    duplicate: bool
    same_body: bool
    done: bool
    replies: list[dict[str, Any]] | None


@dataclass(frozen=True)
class Try:
    """A message to handle now; `attempt` above 1 means that an earlier try died.

    Above MAX_ATTEMPTS each try took its process down: it is not to be run again, but still to be
    finished with words for the sender, so that it neither vanishes nor blocks what came after.
    """

    id: int
    message: Inbound
    attempt: int


@dataclass(frozen=True)
class Claimed(Try):
    """A resident's message to handle now."""

    resident_id: int


def receive(factory: sessionmaker, message: Inbound, now: dt.datetime) -> Received:
    """Store a message durably; a repeated key is reported, not stored again."""
    with factory.begin() as session:
        resident = residents.ensure(session, message.channel, message.sender, now)
        text = message.text[:MAX_TEXT].replace("\x00", "")
        new_id = insert_ignore(
            session,
            InboxMessage,
            {
                "channel": message.channel,
                "key": message.key,
                "sender": message.sender,
                "kind": message.kind,
                "text": text,
                "media": message.media,
                "body_hash": message.body_hash,
                "status": "received",
                "attempts": 0,
                "received_at": now,
            },
            ["channel", "key"],
        )
        if new_id is None:
            return _duplicate(session, message, resident.id)
        if message.kind != "event":
            session.add(_history_row(resident.id, message, text, now))
        return Received(new_id, resident.id, False, True, False, None)


def _duplicate(session: Session, message: Inbound, resident_id: int) -> Received:
    row = session.scalars(
        select(InboxMessage).where(
            InboxMessage.channel == message.channel, InboxMessage.key == message.key
        )
    ).one()
    same = row.body_hash == message.body_hash and row.sender == message.sender
    return Received(row.id, resident_id, True, same, row.status == "done", row.replies)


def _history_row(resident_id: int, message: Inbound, text: str, now: dt.datetime) -> ChatMessage:
    shown = message.media.get("label") or text
    return ChatMessage(
        resident_id=resident_id,
        direction="in",
        kind=message.kind if message.kind in {"image", "voice", "video"} else "text",
        body={"text": shown, "image": message.media.get("attachment"), "key": message.key},
        dedup_key=f"in:{message.channel}:{message.key}"[:160],
        created_at=now,
        read_at=now,
    )


def claim_next(
    factory: sessionmaker, channel: str, sender: str, *, owner: str, now: dt.datetime
) -> Claimed | None:
    """The sender's oldest unfinished message, or None when there is none or it is being handled.

    None while another message of the sender runs keeps the order; whoever runs it calls
    claim_next again after `finish`, so nothing is left behind.
    """
    with factory.begin() as session:
        row = oldest(session, channel, sender)
        if row is None or (row.status == "running" and row.lease_until > now):
            return None
        row.status, row.lease_until, row.lease_owner = "running", now + LEASE, owner
        row.attempts += 1
        resident = residents.ensure(session, channel, sender, now)
        message = Inbound(channel, row.key, sender, row.text, row.kind, row.media, row.body_hash)
        return Claimed(row.id, message, row.attempts, resident.id)


def hold(session: Session, claimed: Try, now: dt.datetime) -> bool:
    """Renew the lease in the caller's transaction; False when this try no longer has the message.

    Until that transaction ends nobody else can claim it.
    """
    mine = (InboxMessage.id == claimed.id) & (InboxMessage.attempts == claimed.attempt)
    renewed = session.execute(
        update(InboxMessage)
        .where(mine, InboxMessage.status == "running")
        .values(lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    return bool(renewed.rowcount)


def renew(factory: sessionmaker, claimed: Try, now: dt.datetime) -> bool:
    """`hold` in a transaction of its own."""
    with factory.begin() as session:
        return hold(session, claimed, now)


def oldest(session: Session, channel: str, sender: str) -> InboxMessage | None:
    """The sender's oldest unfinished message, locked."""
    return session.scalar(
        select(InboxMessage)
        .where(
            InboxMessage.channel == channel,
            InboxMessage.sender == sender,
            InboxMessage.status.in_(["received", "running"]),
        )
        .order_by(InboxMessage.id)
        .limit(1)
        .with_for_update()
    )


def finish(
    factory: sessionmaker, claimed: Claimed, replies: list[dict[str, Any]], now: dt.datetime
) -> bool:
    """Store the replies with the message, once; False when this try no longer has it."""
    with factory.begin() as session:
        row = held(session, claimed)
        if row is None:
            return False
        row.status, row.replies, row.done_at, row.lease_until = "done", replies, now, None
        for number, reply in enumerate(replies):
            session.add(
                ChatMessage(
                    resident_id=claimed.resident_id,
                    direction="out",
                    kind=reply.get("kind", "text"),
                    body=reply,
                    dedup_key=f"reply:{claimed.id}:{number}",
                    created_at=now,
                )
            )
        return True


def give_back(factory: sessionmaker, claimed: Try, now: dt.datetime) -> None:
    """The try failed: let the message be claimed again soon, unless another try has it already."""
    with factory.begin() as session:
        row = held(session, claimed)
        if row is not None:
            row.lease_until = now + dt.timedelta(seconds=2**row.attempts)


def held(session: Session, claimed: Try) -> InboxMessage | None:
    """The message, locked, if this try still has it."""
    row = session.get(InboxMessage, claimed.id, with_for_update=True)
    mine = row is not None and row.status == "running" and row.attempts == claimed.attempt
    return row if mine else None


def stalled(
    factory: sessionmaker, now: dt.datetime, *, older_than: float = 3.0
) -> list[tuple[str, str]]:
    """(channel, sender) pairs with messages that nobody is handling."""
    cutoff = now - dt.timedelta(seconds=older_than)
    with factory() as session:
        rows = session.execute(
            select(InboxMessage.channel, InboxMessage.sender)
            .where(
                or_(
                    (InboxMessage.status == "received") & (InboxMessage.received_at < cutoff),
                    (InboxMessage.status == "running") & (InboxMessage.lease_until < now),
                )
            )
            .distinct()
            .limit(200)
        )
        return [(channel, sender) for channel, sender in rows]


def result(factory: sessionmaker, inbox_id: int) -> tuple[str, list[dict[str, Any]]]:
    """Status and replies of a stored message."""
    with factory() as session:
        row = session.get(InboxMessage, inbox_id)
        return (row.status, row.replies or []) if row else ("failed", [])
