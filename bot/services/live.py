"""What is new for whom, cheap enough to ask several times a second for all open desks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from bot.store.models import Member, Outbox, Ticket, TicketEvent
from bot.store.scope import visible_to

# Rows of concurrent transactions may appear out of the order of their ids: look back a little.
LOOK_BACK = 50
MAX_CHANGES = 500  # a page that was away for longer looks at everything anyway


@dataclass(frozen=True)
class Change:
    """A ticket in scope, and its newest event."""

    number: str
    event: int


@dataclass(frozen=True)
class News:
    """What one member has to hear of."""

    alerts: tuple[dict[str, str], ...] = ()  # {"kind", "text", "number"}
    changed: tuple[Change, ...] = ()


@dataclass
class Cursor:
    """How far history was read: the newest ids, and those seen shortly before."""

    event: int = 0
    message: int = 0
    seen_events: set[int] = field(default_factory=set)
    seen_messages: set[int] = field(default_factory=set)


def start(factory: sessionmaker) -> Cursor:
    """A cursor at the end of history."""
    cursor = Cursor()
    with factory() as session:
        cursor.event = session.scalar(select(func.max(TicketEvent.id))) or 0
        cursor.message = session.scalar(select(func.max(Outbox.id))) or 0
        cursor.seen_events = set(_ids(session, TicketEvent, cursor.event))
        cursor.seen_messages = set(_ids(session, Outbox, cursor.message))
    return cursor


def newest(factory: sessionmaker) -> int:
    """Id of the newest event: what a page shows that is read after this call."""
    with factory() as session:
        return session.scalar(select(func.max(TicketEvent.id))) or 0


def changes_since(factory: sessionmaker, member_id: int, event: int) -> tuple[Change, ...]:
    """Tickets in a member's scope with events after this one."""
    with factory() as session:
        rows = session.execute(
            select(TicketEvent.ticket_id, TicketEvent.id)
            .where(TicketEvent.id > event)
            .order_by(TicketEvent.id.desc())
            .limit(MAX_CHANGES)
        ).all()
        return _changed(session, member_id, dict(reversed(rows)))


def _ids(session: Any, table: Any, newest: int) -> Iterable[int]:
    found: Iterable[int] = session.scalars(select(table.id).where(table.id > newest - LOOK_BACK))
    return found


def news(factory: sessionmaker, cursor: Cursor, member_ids: Iterable[int]) -> dict[int, News]:
    """What happened since the cursor, which moves on, for each of these members."""
    with factory() as session:
        tickets = _new_events(session, cursor)
        alerts = _new_alerts(session, cursor)
        if not tickets and not alerts:
            return {}
        found = {}
        for member_id in set(member_ids):
            mine = tuple(alerts.get(member_id, ()))
            changed = _changed(session, member_id, tickets)
            if mine or changed:
                found[member_id] = News(mine, changed)
        return found


def _new_events(session: Any, cursor: Cursor) -> dict[int, int]:
    """The newest event of each ticket that has new ones."""
    rows = session.execute(
        select(TicketEvent.id, TicketEvent.ticket_id)
        .where(TicketEvent.id > cursor.event - LOOK_BACK)
        .order_by(TicketEvent.id)
    ).all()
    tickets = {ticket_id: id_ for id_, ticket_id in rows if id_ not in cursor.seen_events}
    cursor.event = max([cursor.event, *(id_ for id_, _ in rows)])
    cursor.seen_events = {id_ for id_, _ in rows}
    return tickets


def _new_alerts(session: Any, cursor: Cursor) -> dict[int, list[dict[str, str]]]:
    """Messages to members, by member."""
    rows = session.execute(
        select(
            Outbox.id, Outbox.recipient_kind, Outbox.recipient_id, Outbox.kind, Outbox.payload
        ).where(Outbox.id > cursor.message - LOOK_BACK)
    ).all()
    alerts: dict[int, list[dict[str, str]]] = {}
    for id_, to, member_id, kind, payload in rows:
        if to == "member" and id_ not in cursor.seen_messages:
            alerts.setdefault(member_id, []).append(_alert(kind, payload))
    cursor.message = max([cursor.message, *(row[0] for row in rows)])
    cursor.seen_messages = {row[0] for row in rows}
    return alerts


def _alert(kind: str, payload: dict[str, Any]) -> dict[str, str]:
    return {"kind": kind, "text": payload.get("text", ""), "number": payload.get("number", "")}


def _changed(session: Any, member_id: int, tickets: dict[int, int]) -> tuple[Change, ...]:
    """Which of these tickets the member may see."""
    member = session.get(Member, member_id)
    if member is None or not tickets:
        return ()
    rows = session.execute(
        select(Ticket.id, Ticket.number)
        .where(Ticket.id.in_(tickets), visible_to(member))
        .order_by(Ticket.id.desc())
        .limit(100)
    )
    return tuple(Change(number, tickets[id_]) for id_, number in rows)


@dataclass(frozen=True)
class Alert:
    """A message to a member, as the desk lists it."""

    at: dt.datetime
    kind: str
    text: str
    number: str


def alerts(factory: sessionmaker, member_id: int, limit: int = 50) -> list[Alert]:
    """The latest messages to a member, newest first."""
    with factory() as session:
        rows = session.scalars(
            select(Outbox)
            .where(Outbox.recipient_kind == "member", Outbox.recipient_id == member_id)
            .order_by(Outbox.id.desc())
            .limit(limit)
        )
        return [
            Alert(r.created_at, r.kind, r.payload.get("text", ""), r.payload.get("number", ""))
            for r in rows
        ]
