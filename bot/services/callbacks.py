"""Independent call-backs (回访): who may call whom, and what an answer does."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import and_, exists, false, func, not_, select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql import ColumnElement, Select

from bot.domain import sla
from bot.domain.errors import BadInput, NotAllowed, NotFound, WrongState
from bot.domain.levels import DISPATCH_ROLES, Role
from bot.domain.status import Actor, Status, Step
from bot.services.clock import CALENDAR
from bot.services.lifecycle import clean, move, staff_ticket, step
from bot.services.resident_steps import reopen_by
from bot.store.models import Assignment, Member, Ticket
from bot.store.models_life import CallBack
from bot.store.scope import visible_to

WHY = {"proxy": "代办的工单", "unrated": "居民没有评价", "sample": "抽查"}
TRIES = 3  # nobody is called a fourth time
AGAIN = sla.Span(1, "wd")
CALLABLE = (Status.RESOLVED.value, Status.CLOSED.value)


@dataclass(frozen=True)
class Call:
    """A call to make: what the caller has to know before dialling."""

    id: int
    number: str
    why: str  # in words
    due: dt.datetime
    item: str
    place: str
    resident: str
    has_phone: bool
    description: str
    resolution: str
    resolved_at: dt.datetime | None
    tries: int  # times that nobody answered


def to_call(factory: sessionmaker, member_id: int) -> list[Call]:
    """Calls that this member may make, soonest first."""
    with factory() as session:
        member = session.get(Member, member_id)
        query = _open_calls(member).order_by(CallBack.due, CallBack.id).limit(100)
        return [_call(call) for call in session.scalars(query)]


def one(factory: sessionmaker, call_id: int, member_id: int) -> Call:
    """One of them. Raises NotFound when it is not, or no longer, this member's to make."""
    with factory() as session:
        member = session.get(Member, member_id)
        call = session.scalar(_open_calls(member).where(CallBack.id == call_id))
        if call is None:
            raise NotFound("这张工单不需要您回访，或已经回访过了。")
        return _call(call)


def count(factory: sessionmaker, member_id: int) -> int:
    """How many calls this member may make."""
    with factory() as session:
        calls = _open_calls(session.get(Member, member_id)).subquery()
        return session.scalar(select(func.count()).select_from(calls)) or 0


def _call(call: CallBack) -> Call:
    ticket = call.ticket
    return Call(
        call.id,
        ticket.number,
        WHY[call.why],
        call.due,
        ticket.item.name,
        ticket.place_text,
        ticket.resident.name or "",
        bool(ticket.resident.phone),
        ticket.description,
        ticket.resolution or "",
        ticket.resolved_at,
        call.tries,
    )


def _open_calls(member: Member | None) -> Select:
    query = select(CallBack).join(Ticket, Ticket.id == CallBack.ticket_id)
    if member is None or Role(member.role) not in DISPATCH_ROLES:
        return query.where(false())
    waiting = select(CallBack.ticket_id).where(CallBack.called_at.is_(None))
    return query.where(
        CallBack.called_at.is_(None),
        Ticket.id.in_(waiting),  # few: what else is asked of a ticket is asked of these only
        Ticket.status.in_(CALLABLE),  # reopened meanwhile: the resident has spoken
        visible_to(member),
        _had_no_part(member.id),
    )


def _had_no_part(member_id: int) -> ColumnElement:
    had_it = exists().where(Assignment.ticket_id == Ticket.id, Assignment.member_id == member_id)
    columns = (Ticket.assignee_id, Ticket.first_owner_id, Ticket.co_owner_id, Ticket.filed_by_id)
    return and_(*(func.coalesce(column, 0) != member_id for column in columns), not_(had_it))


def _independent(session: Session, ticket: Ticket, member: Member) -> bool:
    """Whether the member had no part in the work."""
    own = select(Ticket.id).where(Ticket.id == ticket.id, _had_no_part(member.id))
    return session.scalar(own) is not None


def called(
    factory: sessionmaker,
    call_id: int,
    member_id: int,
    now: dt.datetime,
    *,
    solved: bool,
    stars: int | None = None,
    words: str = "",
) -> str:
    """Record an independent call; 「未解决」 reopens. Returns the ticket's status afterwards.

    A resident's own rating is never changed by a call. Raises NotAllowed for anybody who had a
    part in the work, WrongState for a second call.
    """
    if stars is not None and not 1 <= stars <= 5:
        raise BadInput("评分请选 1 到 5 颗星。")
    with step(factory) as session:
        call, ticket = _to_make(session, call_id, member_id)
        call.caller_id, call.called_at, call.solved = member_id, now, solved
        call.stars, call.words = stars, clean(words)
        _conclude(session, ticket, call, now)
        return str(ticket.status)


def _to_make(session: Session, call_id: int, member_id: int) -> tuple[CallBack, Ticket]:
    """The call, locked, and its ticket, for a member who may make it."""
    call = session.get(CallBack, call_id, with_for_update=True)
    if call is None:
        raise NotFound()
    ticket, member = staff_ticket(session, call.ticket.number, member_id)
    if Role(member.role) not in DISPATCH_ROLES or not _independent(session, ticket, member):
        raise NotAllowed("回访要由没有经手的调度员来做。")
    if call.called_at is not None:
        raise WrongState("这张工单已经回访过了。")
    return call, ticket


def no_answer(factory: sessionmaker, call_id: int, member_id: int, now: dt.datetime) -> bool:
    """Nobody answered: to be tried again, but not for ever. Returns whether it is given up."""
    with step(factory) as session:
        call, ticket = _to_make(session, call_id, member_id)
        call.caller_id, call.tries = member_id, call.tries + 1
        over = call.tries >= TRIES
        if over:
            call.called_at = now
        else:
            call.due = AGAIN.after(now, CALENDAR)
        caller, who = frozenset({Actor.CALLER}), ("member", member_id)
        note = f"第{call.tries}次没有打通{'，不再回访' if over else ''}"
        move(session, ticket, Step.CALL_BACK, caller, who, now, note)
        return over


def _conclude(session: Session, ticket: Ticket, call: CallBack, now: dt.datetime) -> None:
    caller, who = frozenset({Actor.CALLER}), ("member", call.caller_id)
    answer = "已解决" if call.solved else "未解决"
    data = {"stars": call.stars, "solved": call.solved}
    move(session, ticket, Step.CALL_BACK, caller, who, now, f"{answer}。{call.words}", data)
    if not call.solved:
        reopen_by(session, ticket, caller, who, f"回访：未解决。{call.words}", now)
        return
    if ticket.status == Status.RESOLVED.value:
        move(session, ticket, Step.CLOSE, caller, who, now, "回访确认已解决")
        ticket.closed_at, ticket.next_check_at = now, None
    if ticket.closed_how != "rated":
        ticket.closed_how, ticket.solved, ticket.stars = "call_back", True, call.stars
