"""Independent call-backs (回访): who may call whom, and what an answer does."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import BadInput, NotAllowed, NotFound, WrongState
from bot.domain.levels import DISPATCH_ROLES, Role
from bot.domain.status import Actor, Status, Step
from bot.services.lifecycle import clean, move, staff_ticket, step
from bot.services.resident_steps import reopen_by
from bot.store.models import Assignment, Member, Ticket
from bot.store.models_life import CallBack
from bot.store.scope import visible_to


def to_call(factory: sessionmaker, member_id: int) -> list[tuple[int, str, str, dt.datetime]]:
    """(id, ticket number, why, due) of calls that this member may make, soonest first."""
    with factory() as session:
        member = session.get(Member, member_id)
        if member is None or Role(member.role) not in DISPATCH_ROLES:
            return []
        rows = session.execute(
            select(CallBack, Ticket)
            .join(Ticket, Ticket.id == CallBack.ticket_id)
            .where(CallBack.called_at.is_(None), visible_to(member))
            .order_by(CallBack.due, CallBack.id)
            .limit(100)
        ).all()
        return [
            (call.id, ticket.number, call.why, call.due)
            for call, ticket in rows
            if _independent(session, ticket, member)
        ]


def _independent(session: Session, ticket: Ticket, member: Member) -> bool:
    """Whether the member had no part in the work."""
    had_it = select(Assignment.id).where(
        Assignment.ticket_id == ticket.id, Assignment.member_id == member.id
    )
    own = {ticket.assignee_id, ticket.first_owner_id, ticket.co_owner_id, ticket.filed_by_id}
    return member.id not in own and session.scalar(had_it.limit(1)) is None


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

    A resident's own rating is never changed by a call.
    """
    if stars is not None and not 1 <= stars <= 5:
        raise BadInput("评分请选 1 到 5 颗星。")
    with step(factory) as session:
        call = session.get(CallBack, call_id, with_for_update=True)
        if call is None:
            raise NotFound()
        ticket, member = staff_ticket(session, call.ticket.number, member_id)
        if Role(member.role) not in DISPATCH_ROLES or not _independent(session, ticket, member):
            raise NotAllowed("回访要由没有经手的调度员来做。")
        if call.called_at is not None:
            raise WrongState("这张工单已经回访过了。")
        call.caller_id, call.called_at, call.solved = member_id, now, solved
        call.stars, call.words = stars, clean(words)
        _conclude(session, ticket, call, now)
        return str(ticket.status)


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
