"""Transactional outbox: rows are added with the change they tell of, and sent afterwards.

`claim` hands out due rows under a lease, which a sender renews (`renew`) while it works. One that
died leaves a lease that runs out, and the row comes back; one that came too late to renew, so that
another has claimed the row, can no longer record what became of its own try.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, event, exists, insert, or_, select, update
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.expression import ColumnElement, Insert

from bot.store.models import Outbox

LEASE = dt.timedelta(seconds=60)
RETRY_SECONDS = (5, 30, 120, 600, 3600)


def _put() -> Insert:
    """INSERT … SELECT … WHERE the key is new: one round trip, and built only once.

    ON CONFLICT would do too, but SQLAlchemy 1.4 compiles such a statement anew at each run.
    """
    table = Outbox.__table__
    names = [
        "dedup_key", "recipient_kind", "recipient_id", "ticket_id", "kind", "payload", "next_at",
        "created_at",
    ]  # fmt: skip
    row = {name: bindparam(name, type_=table.c[name].type) for name in names}
    known = exists().where(table.c.dedup_key == row["dedup_key"])
    return insert(table).from_select(names, select(*row.values()).where(~known))


PUT = _put()


@dataclass(frozen=True)
class Delivery:
    """One claimed row, as plain values for the sender."""

    id: int
    recipient_kind: str
    recipient_id: int
    ticket_id: int | None
    kind: str
    payload: dict[str, Any]
    dedup_key: str
    attempts: int


@dataclass(frozen=True)
class Outcome:
    """What became of a try: sent, to be retried, or failed for good."""

    sent: bool
    via: str = ""
    errcode: int | None = None
    error: str | None = None
    retry: bool = False


def put(
    session: Session,
    *,
    to: str,
    recipient_id: int,
    kind: str,
    payload: dict[str, Any],
    dedup_key: str,
    at: dt.datetime,
    ticket_id: int | None = None,
    not_before: dt.datetime | None = None,
) -> None:
    """Queue a message inside the caller's transaction; the same `dedup_key` is queued once.

    All messages of a transaction are written together when it is committed.
    """
    row = {
        "dedup_key": dedup_key,
        "recipient_kind": to,
        "recipient_id": recipient_id,
        "ticket_id": ticket_id,
        "kind": kind,
        "payload": payload,
        "next_at": not_before or at,
        "created_at": at,
    }
    session.info.setdefault(PUT, []).append(row)


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    """Write what `put` has collected."""
    rows = session.info.pop(PUT, None)
    if rows:
        session.execute(PUT, rows)


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(PUT, None)


def claim(factory: sessionmaker, *, now: dt.datetime, limit: int = 50) -> list[Delivery]:
    """Take due rows under a lease, oldest first; a dead sender's rows come back."""
    due = or_(
        (Outbox.status == "queued") & (Outbox.next_at <= now),
        (Outbox.status == "inflight") & (Outbox.lease_until < now),
    )
    with factory.begin() as session:
        rows = session.scalars(
            select(Outbox)
            .where(due)
            .order_by(Outbox.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            row.status, row.lease_until, row.attempts = "inflight", now + LEASE, row.attempts + 1
        return [
            Delivery(
                r.id,
                r.recipient_kind,
                r.recipient_id,
                r.ticket_id,
                r.kind,
                r.payload,
                r.dedup_key,
                r.attempts,
            )
            for r in rows
        ]


def hold(session: Session, delivery: Delivery, now: dt.datetime) -> bool:
    """Renew the lease in the caller's transaction; False when this try no longer has the row.

    Until that transaction ends nobody else can claim it.
    """
    renewed = session.execute(
        update(Outbox)
        .where(_mine(delivery))
        .values(lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    return bool(renewed.rowcount)


def renew(factory: sessionmaker, deliveries: Sequence[Delivery], now: dt.datetime) -> bool:
    """`hold` for each, in a transaction of its own; False when none of them is left."""
    with factory.begin() as session:
        kept = [hold(session, delivery, now) for delivery in deliveries]
    return any(kept)


def _mine(delivery: Delivery) -> ColumnElement:
    """Whether the row is still that of this try."""
    same_try = (Outbox.id == delivery.id) & (Outbox.attempts == delivery.attempts)
    return same_try & (Outbox.status == "inflight")


def record(factory: sessionmaker, delivery: Delivery, outcome: Outcome, now: dt.datetime) -> bool:
    """Write down the outcome of one try; False when this try no longer has the row."""
    values: dict[str, Any] = {
        "via": outcome.via,
        "errcode": outcome.errcode,
        "error": outcome.error,
        "lease_until": None,
    }
    if outcome.sent:
        values |= {"status": "sent", "sent_at": now}
    elif outcome.retry and delivery.attempts <= len(RETRY_SECONDS):
        pause = RETRY_SECONDS[delivery.attempts - 1]
        values |= {"status": "queued", "next_at": now + dt.timedelta(seconds=pause)}
    else:
        values |= {"status": "failed"}
    with factory.begin() as session:
        recorded = session.execute(
            update(Outbox)
            .where(_mine(delivery))
            .values(values)
            .execution_options(synchronize_session=False)
        )
        return bool(recorded.rowcount)
