"""The sweep over clocks: climbs, alerts, silent closing. Safe to repeat and to run twice at once.

`next_check_at` of a ticket is the earliest moment at which there is something to do; the sweep
takes due rows with SKIP LOCKED, does everything that is due by now in order, and sets it anew.
"""

from __future__ import annotations

import datetime as dt
import logging

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload, sessionmaker

from bot.domain import sla
from bot.domain.levels import Level
from bot.domain.status import Actor, Status, Step
from bot.services import dispatching, drawing, lifecycle, suspension, whistle, wording
from bot.services.clock import CALENDAR
from bot.services.events import record
from bot.store.models import Building, Member, Ticket, TicketEvent

log = logging.getLogger(__name__)

PUT_OFF = dt.timedelta(minutes=5)
# Tickets in one transaction: each commit waits for the disk, but while one is open SQLite has no
# other writer, and in PostgreSQL two sweeps may want the same members and one has to give way.
TOGETHER = 20
# What nearly every check wants to know, in one query each for all tickets of the transaction.
READ_TOGETHER = (
    selectinload(Ticket.assignee).joinedload(Member.node),
    selectinload(Ticket.assignments),
    selectinload(Ticket.building).joinedload(Building.node),
    selectinload(Ticket.item),
    selectinload(Ticket.merged),
    selectinload(Ticket.node),
)
SYSTEM = frozenset({Actor.SYSTEM})
ALERT_WORDS = {
    "contact_late": "首次联系超时",
    "resolve_50": "办理时限已过半",
    "resolve_80": "办理时限已过八成",
    "resolve_100": "办理已超时",
    "resolve_1wd": "超时1个工作日",
    "resolve_3wd": "超时3个工作日，街道督办",
}
# Marks that also tell the next level up.
TELL_ABOVE = frozenset({"contact_late", "resolve_80", "resolve_100", "resolve_1wd", "resolve_3wd"})


def sweep(factory: sessionmaker, now: dt.datetime, *, limit: int = 200) -> int:
    """Handle due tickets, `TOGETHER` at a time in one transaction; returns how many."""
    with factory() as session:
        ids = session.scalars(
            select(Ticket.id)
            .where(Ticket.next_check_at <= now)
            .order_by(Ticket.next_check_at)
            .limit(limit)
        ).all()
    done = 0
    for first in range(0, len(ids), TOGETHER):
        some = ids[first : first + TOGETHER]
        try:
            done += _check_all(factory, some, now)
        except Exception as error:
            log.warning("tickets %s could not be handled together: %s", some, error)
            done += sum(_check_alone(factory, ticket_id, now) for ticket_id in some)
    whistle.sweep(factory, now, limit=limit)
    return done


def _check_alone(factory: sessionmaker, ticket_id: int, now: dt.datetime) -> int:
    """One broken ticket must not stop the clocks of all others."""
    try:
        return _check_all(factory, [ticket_id], now)
    except Exception:
        log.exception("the clock of ticket %s could not be handled", ticket_id)
        _put_off(factory, ticket_id, now)
        return 0


def _check_all(factory: sessionmaker, ids: list[int], now: dt.datetime) -> int:
    """All of these that are still due and free, in one transaction; returns how many."""
    with factory.begin() as session:
        tickets = session.scalars(
            select(Ticket)
            .where(Ticket.id.in_(ids), Ticket.next_check_at <= now)
            .order_by(Ticket.next_check_at, Ticket.id)
            .options(*READ_TOGETHER)
            .with_for_update(skip_locked=True, of=Ticket)
        ).all()
        nodes = {ticket.node for ticket in tickets}
        dispatching.read_ancestors(
            session, nodes | {t.building.node for t in tickets if t.building}
        )
        lifecycle.read_leads(session, {node.parent_id or node.id for node in nodes})
        for ticket in tickets:
            check(session, ticket, now)
        return len(tickets)


def _put_off(factory: sessionmaker, ticket_id: int, now: dt.datetime) -> None:
    with factory.begin() as session:
        session.execute(
            update(Ticket).where(Ticket.id == ticket_id).values(next_check_at=now + PUT_OFF)
        )


def check(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    """Do what is due for one ticket and set when to look again."""
    status = Status(ticket.status)
    if status is Status.DISPATCHED:
        _unaccepted(session, ticket, now)
    elif status is Status.RESOLVED:
        _close_unrated(session, ticket, now)
    elif status is Status.SUSPENDED:
        suspension.run_out(session, ticket, now)
    elif status is Status.RETURNED:
        _undispatched(session, ticket, now)
    elif status in {Status.ACCEPTED, Status.IN_PROGRESS, Status.REOPENED}:
        _marks(session, ticket, now)
    else:
        ticket.next_check_at = None


def _unaccepted(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    """Nobody took it in time: climb, or at the street supervise and keep reminding."""
    if Level(ticket.level) is not Level.STREET:
        note = f"{wording.who(ticket.assignee)}未在时限内接单，自动上报"
        lifecycle.raise_level(session, ticket, SYSTEM, ("system", None), now, note)
        return
    _supervise(session, ticket, now, "仍未接单")


def _undispatched(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    """No dispatcher sent on a returned ticket in time: the street takes it over."""
    if Level(ticket.level) is not Level.STREET:
        note = "退单后未在时限内重新派单，自动上报"
        lifecycle.raise_level(session, ticket, SYSTEM, ("system", None), now, note)
        return
    _supervise(session, ticket, now, "退单后仍未派出")


def _supervise(session: Session, ticket: Ticket, now: dt.datetime, what: str) -> None:
    """Nobody stands above the street: mark it, and keep reminding."""
    ticket.supervised = True
    event = record(session, ticket, Step.SUPERVISE, "system", None, now, note=f"街道{what}，督办")
    text = f"【督办】工单{ticket.number}「{wording.title(ticket)}」{what}，请立即处理。"
    lifecycle.alert_assignee(session, ticket, event, text, now)
    lifecycle.tell_superiors(session, ticket, event, text, now)
    ticket.next_check_at = sla.accept_by(ticket.clock_class, Level.STREET, now, CALENDAR)


def _close_unrated(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    event = lifecycle.move(session, ticket, Step.CLOSE, SYSTEM, ("system", None), now, "7天未评价")
    ticket.closed_at, ticket.closed_how, ticket.next_check_at = now, "unrated", None
    drawing.draw(session, ticket, now)
    lifecycle.notice(session, ticket, event, wording.closed_silent(ticket), now)


def _marks(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    """Raise the newest due alert only: after an outage the older ones would be a storm."""
    left = [(name, at) for name, at in lifecycle.marks(ticket) if name not in ticket.alerts]
    due = [(name, at) for name, at in left if at <= now]
    if due:
        name = due[-1][0]
        ticket.alerts = [*ticket.alerts, *(n for n, _ in due)]
        ticket.supervised = ticket.supervised or name == "resolve_3wd"
        words = ALERT_WORDS[name]
        event = record(session, ticket, Step.ALERT, "system", None, now, note=words)
        text = f"工单{ticket.number}「{wording.title(ticket)}」{words}，请尽快处理。"
        lifecycle.alert_assignee(session, ticket, event, text, now)
        if name in TELL_ABOVE:
            lifecycle.tell_superiors(session, ticket, event, text, now)
        for passed, _ in due:
            _late(session, ticket, event, passed, text, now)
    ticket.next_check_at = min((at for _, at in left if at > now), default=None)


def _late(
    session: Session, ticket: Ticket, event: TicketEvent, mark: str, text: str, now: dt.datetime
) -> None:
    """Past the deadline the level rises and the owner stays, at last to the street."""
    if mark in {"resolve_100", "resolve_1wd"}:
        lifecycle.raise_in_place(session, ticket, now, ALERT_WORDS[mark])
    elif mark == "resolve_3wd":
        lifecycle.raise_in_place(session, ticket, now, ALERT_WORDS[mark], Level.STREET)
    else:
        return
    owner = session.get(Member, ticket.co_owner_id) if ticket.co_owner_id else None
    if owner is not None:
        key = f"superior:{event.reference}:{owner.id}"
        lifecycle.alert(session, ticket, owner, text, now, key)
