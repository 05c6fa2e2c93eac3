"""Pausing the clock (挂起): the assignee asks, the next level decides, and there is a cap.

The clock stands still only while the resident or a third party is waited for. When the cap is
used up, or the resident answers, work goes on by itself.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain import sla
from bot.domain.errors import BadInput, NotAllowed, NotFound, WrongState
from bot.domain.status import Actor, Status, Step
from bot.services import wording
from bot.services.clock import CALENDAR
from bot.services.lifecycle import (
    actors,
    alert_assignee,
    clean,
    end_pause,
    move,
    next_mark,
    notice,
    staff_ticket,
    step,
    tell_superiors,
)
from bot.store.models import Member, Ticket
from bot.store.models_life import Suspension

WAITING_FOR = {"resident": "等居民", "third_party": "等第三方"}
SYSTEM = frozenset({Actor.SYSTEM})


def ask(
    factory: sessionmaker,
    number: str,
    member_id: int,
    why: str,
    now: dt.datetime,
    *,
    waiting_for: str,
) -> None:
    """The assignee asks for a pause; the next level is told. Asking twice is once."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        why = clean(why, need="申请挂起请写明原因。")
        if waiting_for not in WAITING_FOR:
            raise BadInput("只有等居民或等第三方时才能挂起。")
        if _asked(session, ticket) is not None:
            return
        _left(ticket, now)
        note = f"{WAITING_FOR[waiting_for]}：{why}"
        as_ = actors(session, ticket, member)
        event = move(session, ticket, Step.ASK_SUSPEND, as_, ("member", member_id), now, note)
        session.add(
            Suspension(
                ticket_id=ticket.id,
                asked_by_id=member_id,
                asked_at=now,
                waiting_for=waiting_for,
                why=why,
            )
        )
        text = f"{wording.who(member)}申请挂起工单{number}（{note}），请审批。"
        tell_superiors(session, ticket, event, text, now)


def decide(
    factory: sessionmaker,
    number: str,
    member_id: int,
    approve: bool,
    now: dt.datetime,
    note: str = "",
) -> None:
    """A superior or dispatcher who is not the assignee answers the request."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        asked = _asked(session, ticket)
        if asked is None:
            raise NotFound("没有待审批的挂起申请。")
        if approve:
            _pause(session, ticket, member, asked, now)
            return
        note = clean(note, need="不同意请写明原因。")
        as_ = _approver(session, ticket, member)
        event = move(session, ticket, Step.DENY_SUSPEND, as_, ("member", member_id), now, note)
        asked.decided_by_id, asked.decided_at, asked.approved = member_id, now, False
        alert_assignee(session, ticket, event, f"工单{number}的挂起申请未获同意：{note}", now)


def suspend(
    factory: sessionmaker,
    number: str,
    member_id: int,
    why: str,
    now: dt.datetime,
    *,
    waiting_for: str = "third_party",
) -> None:
    """A superior pauses the clock without a request, or approves the open one."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        why = clean(why, need="挂起请写明原因。")
        asked = _asked(session, ticket)
        if asked is None:
            asked = Suspension(
                ticket_id=ticket.id,
                asked_by_id=member_id,
                asked_at=now,
                waiting_for=waiting_for,
                why=why,
            )
            session.add(asked)
        _pause(session, ticket, member, asked, now)


def resume(factory: sessionmaker, number: str, member_id: int, now: dt.datetime) -> None:
    """Work goes on; the deadline moves by the time that the pause counted."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        _go_on(session, ticket, actors(session, ticket, member), ("member", member_id), now, "")


def run_out(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    """The cap is used up: work goes on, inside the sweep's transaction."""
    _go_on(session, ticket, SYSTEM, ("system", None), now, "挂起时间已到上限，自动恢复")


def resident_answered(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    """Nobody is waited for any more once the resident has written."""
    paused = _current(session, ticket)
    if paused is not None and paused.waiting_for == "resident":
        _go_on(session, ticket, SYSTEM, ("system", None), now, "居民已回复，自动恢复")


def pending(session: Session, ticket: Ticket) -> Suspension | None:
    """The request that waits for a decision, for the ticket page."""
    return _asked(session, ticket)


def _asked(session: Session, ticket: Ticket) -> Suspension | None:
    return session.scalar(
        select(Suspension).where(Suspension.ticket_id == ticket.id, Suspension.decided_at.is_(None))
    )


def _current(session: Session, ticket: Ticket) -> Suspension | None:
    if ticket.status != Status.SUSPENDED.value:
        return None
    return session.scalar(
        select(Suspension)
        .where(
            Suspension.ticket_id == ticket.id, Suspension.approved, Suspension.ended_at.is_(None)
        )
        .order_by(Suspension.id.desc())
        .limit(1)
    )


def _left(ticket: Ticket, now: dt.datetime) -> dt.datetime:
    """Until when a pause from now may last. Raises WrongState when the cap is used up."""
    used = dt.timedelta(seconds=ticket.paused_seconds)
    until = sla.pause_until(ticket.clock_class, now, used, CALENDAR)
    if until <= now:
        raise WrongState("累计挂起时间已到上限，不能再挂起。")
    return until


def _approver(session: Session, ticket: Ticket, member: Member) -> frozenset[Actor]:
    if ticket.assignee_id == member.id:
        raise NotAllowed("挂起要由上一级同意，不能自己批自己。")
    return actors(session, ticket, member)


def _pause(
    session: Session, ticket: Ticket, member: Member, asked: Suspension, now: dt.datetime
) -> None:
    as_ = _approver(session, ticket, member)
    until = _left(ticket, now)
    note = f"{WAITING_FOR[asked.waiting_for]}：{asked.why}（最晚{wording.local(until)}恢复）"
    event = move(session, ticket, Step.SUSPEND, as_, ("member", member.id), now, note)
    asked.decided_by_id, asked.decided_at, asked.approved = member.id, now, True
    asked.until = ticket.next_check_at = until
    ticket.suspended_at = now
    notice(session, ticket, event, wording.suspended(ticket, note), now)


def _go_on(
    session: Session,
    ticket: Ticket,
    as_: frozenset[Actor],
    who: tuple[str, int | None],
    now: dt.datetime,
    note: str,
) -> None:
    event = move(session, ticket, Step.RESUME, as_, who, now, note)
    end_pause(session, ticket, now)
    ticket.next_check_at = next_mark(ticket, now)
    if who[0] == "system":
        alert_assignee(session, ticket, event, f"工单{ticket.number}：{note}，请继续办理。", now)
