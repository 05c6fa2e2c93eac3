"""Messages and card taps from staff: stored first, handled once and in order, like residents'.

The same table as for residents, on the channel `wecom`, but no resident and no chat history.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from bot.services import insert_ignore, outbox
from bot.services.inbox import LEASE, MAX_ATTEMPTS, Inbound
from bot.store.models import InboxMessage

CHANNEL = "wecom"


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


def claim_next(
    factory: sessionmaker, sender: str, *, owner: str, now: dt.datetime
) -> tuple[int, Inbound] | None:
    """The sender's oldest unfinished message under a lease; None while another one runs."""
    with factory.begin() as session:
        row = session.scalar(
            select(InboxMessage)
            .where(
                InboxMessage.channel == CHANNEL,
                InboxMessage.sender == sender,
                InboxMessage.status.in_(["received", "running"]),
            )
            .order_by(InboxMessage.id)
            .limit(1)
            .with_for_update()
        )
        if row is None or (row.status == "running" and row.lease_until > now):
            return None
        row.attempts += 1
        row.status, row.lease_until, row.lease_owner = "running", now + LEASE, owner
        return row.id, Inbound(CHANNEL, row.key, sender, row.text, row.kind, row.media)


def finish(
    factory: sessionmaker, inbox_id: int, member_id: int | None, answer: str, now: dt.datetime
) -> None:
    """The message is handled: what the member is told goes into the outbox, once."""
    with factory.begin() as session:
        row = session.get(InboxMessage, inbox_id, with_for_update=True)
        if row is None or row.status == "done":
            return
        row.status, row.done_at, row.lease_until = "done", now, None
        row.replies = [{"text": answer}]
        if member_id is not None:
            outbox.put(
                session,
                to="member",
                recipient_id=member_id,
                kind="reply",
                payload={"text": answer},
                dedup_key=f"staff:{inbox_id}",
                at=now,
            )


def give_back(factory: sessionmaker, inbox_id: int, now: dt.datetime) -> bool:
    """The try failed; False once attempts are used up."""
    with factory.begin() as session:
        row = session.get(InboxMessage, inbox_id, with_for_update=True)
        if row is None or row.status == "done":
            return True
        if row.attempts >= MAX_ATTEMPTS:
            row.status, row.lease_until = "failed", None
            return False
        row.lease_until = now + dt.timedelta(seconds=2**row.attempts)
        return True
