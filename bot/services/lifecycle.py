"""What the steps of a ticket's life share: loading in scope, moving, telling, clocks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from bot.domain import sla
from bot.domain.errors import BadInput, Conflict, WrongState
from bot.domain.levels import DISPATCH_ROLES, LEAD_ROLES, Level, Role, above
from bot.domain.status import FINAL, OPEN, Actor, Status, Step, check
from bot.services import dispatching, outbox, wording
from bot.services.clock import CALENDAR
from bot.services.events import record
from bot.store.models import Assignment, Member, OrgNode, Ticket, TicketEvent

MAX_NOTE = 1000


def actors(session: Session, ticket: Ticket, member: Member) -> frozenset[Actor]:
    """Capacities in which a member may act on a ticket."""
    found = set()
    if ticket.assignee_id == member.id:
        found.add(Actor.ASSIGNEE)
    node = session.get(OrgNode, ticket.node_id)
    if node.path.startswith(member.node.path):
        if Role(member.role) in DISPATCH_ROLES:
            found.add(Actor.DISPATCHER)
        if Role(member.role) in LEAD_ROLES and node.path != member.node.path:
            found.add(Actor.SUPERIOR)
    return frozenset(found)


@contextmanager
def step(factory: sessionmaker) -> Iterator[Session]:
    """One transaction whose lost race shows as Conflict."""
    try:
        with factory.begin() as session:
            yield session
    except StaleDataError as error:
        raise Conflict() from error


def clean(note: str, *, need: str | None = None) -> str:
    """A note without blanks around it, cut to length; raises BadInput with `need` when empty."""
    note = note.strip()[:MAX_NOTE]
    if need and not note:
        raise BadInput(need)
    return note


def notice(
    session: Session,
    ticket: Ticket,
    event: TicketEvent,
    text: str,
    now: dt.datetime,
    **extra: object,
) -> None:
    """Queue a message to the resident about this event."""
    outbox.put(
        session,
        to="resident",
        recipient_id=ticket.resident_id,
        kind="notice",
        payload={"text": text, "number": ticket.number, "status": ticket.status, **extra},
        dedup_key=f"notice:{event.id}",
        at=now,
        ticket_id=ticket.id,
    )


def move(
    session: Session,
    ticket: Ticket,
    step: Step,
    as_: frozenset[Actor],
    who: tuple[str, int | None],
    now: dt.datetime,
    note: str = "",
    data: dict | None = None,
) -> TicketEvent:
    """Check the step against the table, set the status, write the event."""
    before = Status(ticket.status)
    after = check(step, before, as_)
    ticket.status = after.value
    return record(
        session, ticket, step, *who, now, from_status=before, to_status=after, note=note, data=data
    )


def alert_assignee(
    session: Session, ticket: Ticket, event: TicketEvent, text: str, now: dt.datetime
) -> None:
    """Queue a message to whoever has the ticket."""
    if ticket.assignee_id is None:
        return
    outbox.put(
        session,
        to="member",
        recipient_id=ticket.assignee_id,
        kind="alert",
        payload={"text": text, "number": ticket.number},
        dedup_key=f"member:{event.id}",
        at=now,
        ticket_id=ticket.id,
    )


def tell_superiors(
    session: Session, ticket: Ticket, event: TicketEvent, text: str, now: dt.datetime
) -> None:
    """Queue a message to the leads one level above where the ticket stands."""
    node = session.get(OrgNode, ticket.node_id)
    for member in session.scalars(
        select(Member).where(
            Member.node_id == (node.parent_id or node.id),
            Member.active,
            Member.role.in_([r.value for r in LEAD_ROLES]),
        )
    ):
        outbox.put(
            session,
            to="member",
            recipient_id=member.id,
            kind="alert",
            payload={"text": text, "number": ticket.number},
            dedup_key=f"superior:{event.id}:{member.id}",
            at=now,
            ticket_id=ticket.id,
        )


def raise_level(
    session: Session,
    ticket: Ticket,
    as_: frozenset[Actor],
    who: tuple[str, int | None],
    now: dt.datetime,
    note: str,
) -> None:
    """Dispatch one level up, inside the caller's transaction."""
    higher = above(Level(ticket.level))
    if higher is None:
        raise WrongState("已经在街道一级，不能再上报。")
    event = move(session, ticket, Step.ESCALATE, as_, who, now, note)
    dispatching.end_assignment(session, ticket, "escalated", now)
    dispatching.assign(session, ticket, higher, now)
    notice(session, ticket, event, wording.escalated(ticket), now)


def marks(ticket: Ticket) -> list[tuple[str, dt.datetime]]:
    """All clock alerts of a ticket in work, in order of time."""
    clock = sla.CLOCKS[ticket.clock_class]
    found = sla.resolve_marks(ticket.created_at, ticket.resolve_due, clock.all_hours, CALENDAR)
    if ticket.contacted_at is None and ticket.contact_due is not None:
        found.append(("contact_late", ticket.contact_due))
    return sorted(found, key=lambda mark: mark[1])


def next_mark(ticket: Ticket, now: dt.datetime) -> dt.datetime | None:
    """The first alert not yet raised."""
    left = [at for name, at in marks(ticket) if name not in ticket.alerts]
    return min(left) if left else None


def is_open(ticket: Ticket) -> bool:
    """Whether the matter still waits for work."""
    return Status(ticket.status) in OPEN


def is_final(ticket: Ticket) -> bool:
    """Whether the ticket's life is over."""
    return Status(ticket.status) in FINAL


def latest_assignment(session: Session, ticket_id: int) -> Assignment | None:
    """The current dispatch with its reason."""
    return session.scalar(
        select(Assignment)
        .where(Assignment.ticket_id == ticket_id)
        .order_by(Assignment.id.desc())
        .limit(1)
    )
