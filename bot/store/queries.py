"""Read queries: lists, pages and timelines as plain values. Scope is part of each query."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, sessionmaker

from bot.domain.levels import LEVEL_NAMES, ROLE_NAMES, Level, Role
from bot.domain.status import STATUS_NAMES, Status
from bot.store.models import (
    Assignment,
    Attachment,
    Building,
    Member,
    ServiceItem,
    Ticket,
    TicketEvent,
)
from bot.store.scope import visible_to


def loaded(query: Any) -> Any:
    """The query with what a row shows, in one round trip."""
    return query.options(
        joinedload(Ticket.item),
        joinedload(Ticket.assignee).joinedload(Member.node),
        joinedload(Ticket.resident),
    )


def ticket_rows(factory: sessionmaker, limit: int = 1000) -> list[dict[str, Any]]:
    """All tickets for the command line, newest first."""
    with factory() as session:
        rows = session.scalars(loaded(select(Ticket).order_by(Ticket.id.desc()).limit(limit)))
        return [
            {
                "number": t.number,
                "category": t.category,
                "item": t.item.name,
                "item_key": t.item_key,
                "level": t.level,
                "status": t.status,
                "assignee": t.assignee.name if t.assignee else None,
                "place": t.place_text,
                "urgency": t.urgency,
            }
            for t in rows
        ]


# Who said whether it is solved. A call-back is no rating.
JUDGES = {"": "", "resident": "居民评价", "call_back": "回访", "nobody": "未评价"}


@dataclass(frozen=True)
class Row:
    """A ticket in a list."""

    number: str
    item: str
    place: str
    status: str
    status_name: str
    level_name: str
    urgency: str
    description: str
    assignee: str
    assignee_id: int | None
    created_at: dt.datetime
    due: dt.datetime | None
    overdue: bool
    supervised: bool
    locked: bool
    version: int
    reason: str = ""
    category: str = ""
    stars: int | None = None
    appealed: bool = False  # an appeal waits for a decision
    judged_by: str = ""  # a key of JUDGES; empty while it is not finished


def _due(ticket: Ticket) -> dt.datetime | None:
    return {
        Status.DISPATCHED: ticket.accept_due,
        Status.ACCEPTED: ticket.contact_due,
        Status.REOPENED: ticket.contact_due,
        Status.IN_PROGRESS: ticket.resolve_due,
    }.get(Status(ticket.status))


def row_of(ticket: Ticket, now: dt.datetime, reason: str = "") -> Row:
    """A ticket as a list shows it."""
    due = _due(ticket)
    return Row(
        ticket.number,
        ticket.item.name,
        ticket.place_text,
        ticket.status,
        STATUS_NAMES[Status(ticket.status)],
        LEVEL_NAMES[Level(ticket.level)],
        ticket.urgency,
        ticket.description,
        person(ticket.assignee),
        ticket.assignee_id,
        ticket.created_at,
        due,
        due is not None and due < now,
        ticket.supervised,
        ticket.locked,
        ticket.version,
        reason,
        ticket.category,
        ticket.stars,
        ticket.appeal == "open",
        _judged_by(ticket),
    )


def _judged_by(ticket: Ticket) -> str:
    if ticket.rated_at is not None:
        return "resident"
    if ticket.closed_how == "call_back":
        return "call_back"
    return "nobody" if Status(ticket.status) in {Status.RESOLVED, Status.CLOSED} else ""


def person(member: Member | None) -> str:
    """「网格员王芳」, or empty."""
    return f"{ROLE_NAMES[Role(member.role)]}{member.name}" if member else ""


BOXES = {
    "todo": ("待接单", {Status.DISPATCHED}),
    "doing": ("办理中", {Status.ACCEPTED, Status.IN_PROGRESS, Status.REOPENED, Status.SUSPENDED}),
    "done": ("已办结", {Status.RESOLVED, Status.CLOSED}),
}


def my_tickets(
    factory: sessionmaker, member_id: int, box: str, now: dt.datetime, limit: int = 100
) -> list[Row]:
    """A member's own tasks in one box: todo, doing or done; the most urgent first."""
    states = [s.value for s in BOXES[box][1]]
    with factory() as session:
        rows = list(
            session.scalars(
                loaded(
                    select(Ticket)
                    .where(Ticket.assignee_id == member_id, Ticket.status.in_(states))
                    .order_by(Ticket.id.desc())
                    .limit(limit)
                )
            )
        )
        reasons = reasons_of(session, [t.id for t in rows])
    listed = [row_of(t, now, reasons.get(t.id, "")) for t in rows]
    if box == "done":
        return listed
    far = dt.datetime.max.replace(tzinfo=dt.timezone.utc)
    return sorted(listed, key=lambda r: (r.urgency != "danger", r.due or far))


def reasons_of(session: Session, ids: list[int]) -> dict[int, str]:
    """Why each ticket is with whom it is: the reason of its latest dispatch."""
    rows = session.execute(
        select(Assignment.ticket_id, Assignment.reason)
        .where(Assignment.ticket_id.in_(ids))
        .order_by(Assignment.id)
    )
    return dict(rows.all())


@dataclass(frozen=True)
class TimelineEntry:
    """One line of history."""

    at: dt.datetime
    kind: str
    actor_kind: str
    actor: str
    note: str
    status_name: str
    data: dict[str, Any]
    photos: tuple[str, ...]


@dataclass(frozen=True)
class Detail:
    """A ticket page."""

    row: Row
    resident_name: str
    resident_phone_masked: str
    resident_channel: str
    category: str
    clock_class: str
    private: bool
    node_name: str
    origin_name: str
    first_owner: str
    reason: str
    rejected: list[dict[str, str]]
    accept_due: dt.datetime | None
    contact_due: dt.datetime | None
    resolve_due: dt.datetime | None
    resolution: str
    stars: int | None
    solved: bool | None
    rating_words: str
    answer: str
    timeline: tuple[TimelineEntry, ...]
    steps: frozenset[str] = field(default=frozenset())
    on_behalf_of: str = ""  # for whom family asks
    filed_by: str = ""  # the member of staff who filed it for the resident
    consent_note: str = ""  # how the person agreed to either


def mask_phone(phone: str | None) -> str:
    """138****1111."""
    return f"{phone[:3]}****{phone[-4:]}" if phone and len(phone) >= 7 else ""


def ticket_in_scope(session: Session, number: str, member: Member) -> Ticket | None:
    """The ticket if the member may see it."""
    ticket: Ticket | None = session.scalar(
        loaded(select(Ticket).where(Ticket.number == number, visible_to(member)))
    )
    return ticket


def timeline(session: Session, ticket_id: int) -> tuple[TimelineEntry, ...]:
    """History with photos, oldest first."""
    photos: dict[int, list[str]] = {}
    for event_id, token in session.execute(
        select(Attachment.event_id, Attachment.token).where(Attachment.ticket_id == ticket_id)
    ):
        photos.setdefault(event_id, []).append(token)
    events = session.scalars(
        select(TicketEvent).where(TicketEvent.ticket_id == ticket_id).order_by(TicketEvent.id)
    )
    return tuple(
        TimelineEntry(
            e.at,
            e.kind,
            e.actor_kind,
            e.actor_name,
            e.note,
            STATUS_NAMES[Status(e.to_status)] if e.to_status else "",
            e.data,
            tuple(photos.get(e.id, ())),
        )
        for e in events
    )


def detail(session: Session, ticket: Ticket, now: dt.datetime, steps: frozenset[str]) -> Detail:
    """Everything on a ticket page, with the steps that the viewer may take."""
    last = session.scalar(
        select(Assignment)
        .where(Assignment.ticket_id == ticket.id)
        .order_by(Assignment.id.desc())
        .limit(1)
    )
    return Detail(
        row=row_of(ticket, now, last.reason if last else ""),
        resident_name=ticket.resident.name or "居民",
        resident_phone_masked=mask_phone(ticket.resident.phone),
        resident_channel=ticket.resident.channel,
        category=ticket.category,
        clock_class=ticket.clock_class,
        private=ticket.private,
        node_name=ticket.node.name,
        origin_name=ticket.origin.name,
        first_owner=person(ticket.first_owner),
        reason=last.reason if last else "",
        rejected=list(last.rejected) if last else [],
        accept_due=ticket.accept_due,
        contact_due=ticket.contact_due,
        resolve_due=ticket.resolve_due,
        resolution=ticket.resolution or "",
        stars=ticket.stars,
        solved=ticket.solved,
        rating_words=ticket.rating_words or "",
        answer=ticket.item.answer,
        timeline=timeline(session, ticket.id),
        steps=steps,
        on_behalf_of=ticket.on_behalf_of or "",
        filed_by=person(session.get(Member, ticket.filed_by_id) if ticket.filed_by_id else None),
        consent_note=ticket.consent_note or "",
    )


# --- for the dialogue ----------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """A service item as the dialogue speaks of it."""

    key: str
    category: str
    name: str
    urgency: str
    private: bool
    answer: str


def items(factory: sessionmaker) -> dict[str, Item]:
    """The active catalogue by key."""
    with factory() as session:
        rows = session.scalars(select(ServiceItem).where(ServiceItem.active))
        return {
            i.key: Item(i.key, i.category, i.name, i.urgency, i.private, i.answer) for i in rows
        }


def estates(factory: sessionmaker) -> list[tuple[str, list[tuple[int, str]]]]:
    """Estates with their active buildings (id, name), for the picker."""
    found: dict[str, list[tuple[int, str]]] = {}
    with factory() as session:
        rows = session.scalars(select(Building).where(Building.active).order_by(Building.id))
        for b in rows:
            found.setdefault(b.estate, []).append((b.id, b.name))
    return list(found.items())
