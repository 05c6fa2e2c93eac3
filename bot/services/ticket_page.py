"""What a member of staff sees of a ticket, and what they may do with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain import sla
from bot.domain.errors import NotAllowed, NotFound
from bot.domain.status import Actor, Status, Step, allowed
from bot.services import merging, oversight, suspension
from bot.services.clock import CALENDAR
from bot.services.lifecycle import actors, co_task_of
from bot.services.merging import Relative, Suggestion
from bot.store import appeals, co_tasks
from bot.store.co_tasks import CoLine
from bot.store.models import AccessLog, Assignment, Member, Ticket, TicketEvent
from bot.store.models_life import CoTask, Suspension
from bot.store.queries import Detail, detail, person, ticket_in_scope

# Handed on, a task has to be accepted anew; reopened, the resident has to be called anew.
ANEW = {("接单", Status.DISPATCHED.value), ("联系居民", Status.REOPENED.value)}
DECISIONS = {Step.GRANT_APPEAL, Step.DENY_APPEAL}
OUTCOMES = {
    None: "当前",
    "accepted": "已接单",
    "returned": "退单",
    "transferred": "转派",
    "escalated": "上报",
    "done": "结束",
}


@dataclass(frozen=True)
class Promise:
    """One clock of the ticket: what is due when, and whether it was kept."""

    name: str
    due: dt.datetime | None
    done: dt.datetime | None
    late: bool
    paused: bool


@dataclass(frozen=True)
class Dispatch:
    """One time the ticket was given to somebody."""

    at: dt.datetime
    who: str
    reason: str
    outcome: str


@dataclass(frozen=True)
class Page:
    """A ticket page for one viewer."""

    detail: Detail
    promises: tuple[Promise, ...]
    steps: frozenset[Step]
    dispatches: tuple[Dispatch, ...]
    is_assignee: bool
    sees_candidates: bool  # who was passed over, and why
    may_call: bool
    last_event: int  # the newest that the page shows
    co_owner: str  # who answers beside the assignee once the ticket is late or reopened
    co_tasks: tuple[CoLine, ...]
    pause_asked: str | None  # what a request for a pause says, while it waits for an answer
    appeal_asked: str | None  # what an appeal says, while it waits for a decision
    parent: Relative | None  # the ticket that this one was merged into
    children: tuple[Relative, ...]
    suggestions: tuple[Suggestion, ...]  # tickets that may be merged into this one


def load(session: Session, number: str, member_id: int) -> tuple[Ticket, Member]:
    """A ticket in scope and its viewer; NotFound hides what is outside."""
    member = session.get(Member, member_id)
    ticket = ticket_in_scope(session, number, member) if member else None
    if ticket is None or member is None:
        raise NotFound()
    return ticket, member


def page(factory: sessionmaker, number: str, member_id: int, now: dt.datetime) -> Page:
    """Everything on the page. Raises NotFound."""
    with factory() as session:
        ticket, member = load(session, number, member_id)
        as_ = actors(session, ticket, member)
        last_event = _last_event(session, ticket.id)  # before the rest is read
        asked = suspension.pending(session, ticket)
        own = co_task_of(session, ticket, member_id)
        steps = _steps(ticket, as_, now, asked, own)
        if steps & DECISIONS and not appeals.decides(session, ticket, member):
            steps -= DECISIONS
        parent, children = merging.relatives(session, ticket, member)
        may_merge = Step.MARK_DUPLICATE in steps
        return Page(
            detail=detail(session, ticket, now, frozenset(s.value for s in steps)),
            promises=_promises(ticket, now),
            steps=steps,
            dispatches=_dispatches(session, ticket.id),
            is_assignee=Actor.ASSIGNEE in as_,
            sees_candidates=Actor.DISPATCHER in as_,
            may_call=bool(as_) and bool(ticket.resident.phone),
            last_event=last_event,
            co_owner=person(
                session.get(Member, ticket.co_owner_id) if ticket.co_owner_id else None
            ),
            co_tasks=co_tasks.of_ticket(session, ticket.id, now),
            pause_asked=f"{suspension.WAITING_FOR[asked.waiting_for]}：{asked.why}"
            if asked
            else None,
            appeal_asked=oversight.asked(session, ticket),
            parent=parent,
            children=children,
            suggestions=tuple(merging.near(session, ticket, member, now)) if may_merge else (),
        )


def _last_event(session: Session, ticket_id: int) -> int:
    query = select(func.max(TicketEvent.id)).where(TicketEvent.ticket_id == ticket_id)
    return session.scalar(query) or 0


def _steps(
    ticket: Ticket,
    as_: frozenset[Actor],
    now: dt.datetime,
    asked: Suspension | None,
    own: CoTask | None,
) -> frozenset[Step]:
    steps = set(allowed(Status(ticket.status), as_))
    steps.discard(Step.ASK_SUSPEND if asked else Step.DENY_SUSPEND)
    if own is None or own.status != "asked":
        steps.discard(Step.CHECK_IN)
    if Actor.ASSIGNEE in as_:  # nobody approves a pause of their own work, or watches over it
        steps -= {Step.SUSPEND, Step.DENY_SUSPEND, Step.SUPERVISE}
    if ticket.appeal != oversight.APPEAL_OPEN:
        steps -= DECISIONS
    if ticket.private:
        steps.discard(Step.MARK_DUPLICATE)
    if Step.RETURN in steps and now > return_until(ticket):
        steps.remove(Step.RETURN)
    if ticket.level == "street":
        steps.discard(Step.ESCALATE)
    return frozenset(steps)


def return_until(ticket: Ticket) -> dt.datetime:
    """The last moment at which the task may be given back."""
    return sla.RETURN_WINDOW.after(ticket.dispatched_at, CALENDAR)


def _promises(ticket: Ticket, now: dt.datetime) -> tuple[Promise, ...]:
    clocks = (
        ("接单", ticket.accept_due, ticket.accepted_at),
        ("联系居民", ticket.contact_due, ticket.contacted_at),
        ("办结", ticket.resolve_due, ticket.resolved_at),
    )
    over = Status(ticket.status) in {Status.REJECTED, Status.DUPLICATE, Status.WITHDRAWN}
    found = []
    for name, due, done in clocks:
        if due is None or (over and done is None):
            continue
        done = None if (name, ticket.status) in ANEW else done
        paused = ticket.suspended_at is not None and name == "办结" and done is None
        found.append(Promise(name, due, done, (done or now) > due and not paused, paused))
    return tuple(found)


def _dispatches(session: Session, ticket_id: int) -> tuple[Dispatch, ...]:
    rows = session.scalars(
        select(Assignment).where(Assignment.ticket_id == ticket_id).order_by(Assignment.id)
    )
    return tuple(
        Dispatch(
            a.assigned_at,
            f"{a.member.node.name} {person(a.member)}",
            a.reason,
            OUTCOMES.get(a.outcome, a.outcome),
        )
        for a in rows
    )


def reveal_phone(factory: sessionmaker, number: str, member_id: int, now: dt.datetime) -> str:
    """The resident's number for those who work on the ticket; each look is written down."""
    with factory.begin() as session:
        ticket, member = load(session, number, member_id)
        if not actors(session, ticket, member):
            raise NotAllowed("只有承办人和上级可以查看电话。")
        if not ticket.resident.phone:
            raise NotFound("居民没有留电话，可以在聊天里联系。")
        log_access(session, member_id, "phone", now, ticket)
        return str(ticket.resident.phone)


def log_access(
    session: Session, member_id: int, what: str, now: dt.datetime, ticket: Ticket | None = None
) -> None:
    """Write down that a member saw personal data."""
    session.add(
        AccessLog(
            member_id=member_id,
            ticket_id=ticket.id if ticket else None,
            resident_id=ticket.resident_id if ticket else None,
            what=what,
            at=now,
        )
    )
