"""Looking over shoulders: supervision (督办) and appeals (申诉)."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain import sla
from bot.domain.errors import NotAllowed, WrongState
from bot.domain.status import Actor, Step
from bot.services import dispatching, wording
from bot.services.clock import CALENDAR
from bot.services.lifecycle import (
    actors,
    alert,
    alert_assignee,
    clean,
    move,
    notice,
    staff_ticket,
    step,
)
from bot.services.resident_steps import own_ticket_for_update
from bot.store import appeals
from bot.store.models import Member, Ticket, TicketEvent

APPEAL_OPEN, APPEAL_GRANTED, APPEAL_DENIED = "open", "granted", "denied"


def supervise(
    factory: sessionmaker, number: str, member_id: int, why: str, now: dt.datetime
) -> None:
    """A lead or dispatcher puts an open ticket under supervision; its people are told."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        why = clean(why, need="督办请写明要求。")
        as_ = actors(session, ticket, member)
        event = move(session, ticket, Step.SUPERVISE, as_, ("member", member_id), now, why)
        ticket.supervised = True
        text = f"【督办】工单{number}「{wording.title(ticket)}」：{why}"
        alert_assignee(session, ticket, event, text, now)
        owner = ticket.first_owner
        if owner is not None and owner.id != ticket.assignee_id:
            alert(session, ticket, owner, text, now, f"first:{event.reference}")


# --- appeals -------------------------------------------------------------------------------


def appeal(
    factory: sessionmaker, number: str, resident_id: int, why: str, now: dt.datetime
) -> None:
    """The resident does not accept a rejection or a merge; once a ticket, twice is once."""
    with step(factory) as session:
        ticket = own_ticket_for_update(session, number, resident_id)
        why = clean(why, need="请说一下为什么不同意。")
        if ticket.appeal == APPEAL_OPEN:
            return
        if ticket.appeal == APPEAL_DENIED:
            raise WrongState("这张工单的申诉已有结论，如有新情况请重新提交。")
        who = ("resident", resident_id)
        event = move(session, ticket, Step.APPEAL, frozenset({Actor.RESIDENT}), who, now, why)
        ticket.appeal = APPEAL_OPEN
        text = f"居民对工单{number}的处理不同意，提出申诉：{why}。请复核。"
        _tell_deciders(session, ticket, event, text, now)


def _tell_deciders(
    session: Session, ticket: Ticket, event: TicketEvent, text: str, now: dt.datetime
) -> None:
    """Queue a message to those who may decide it, at the nearest node where there is one."""
    declined_by = _declined_by(session, ticket)
    lowest = declined_by.node_id if declined_by else dispatching.street(session).id
    for node in dispatching.ancestors(session, lowest):
        leads = session.scalars(select(Member).where(Member.node_id == node.id, Member.active))
        deciders = [lead for lead in leads if appeals.decides(session, ticket, lead)]
        for member in deciders:
            alert(session, ticket, member, text, now, f"superior:{event.reference}:{member.id}")
        if deciders:
            return


def decide_appeal(
    factory: sessionmaker, number: str, member_id: int, grant: bool, why: str, now: dt.datetime
) -> None:
    """A lead who may (see `store.appeals`) decides; granted, it is dispatched again."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        why = clean(why, need="请写明复核意见。")
        if ticket.appeal != APPEAL_OPEN:
            raise WrongState("没有待复核的申诉。")
        if not appeals.decides(session, ticket, member):
            raise NotAllowed(
                "申诉要由其他人复核：作出决定的一级或更高一级的负责人，不能是原决定人。"
            )
        as_ = actors(session, ticket, member)
        kind = Step.GRANT_APPEAL if grant else Step.DENY_APPEAL
        event = move(session, ticket, kind, as_, ("member", member_id), now, why)
        ticket.appeal = APPEAL_GRANTED if grant else APPEAL_DENIED
        if grant:
            _start_again(session, ticket, now)
            text = f"您对工单{number}的申诉成立，已重新派给{wording.who(ticket.assignee)}。"
        else:
            text = f"您对工单{number}的申诉经复核未予支持：{why}。"
        notice(session, ticket, event, text, now)


def _declined_by(session: Session, ticket: Ticket) -> Member | None:
    """Who rejected or merged it last."""
    return session.scalar(
        select(Member)
        .join(TicketEvent, TicketEvent.actor_id == Member.id)
        .where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind.in_(appeals.DECLINED))
        .order_by(TicketEvent.id.desc())
        .limit(1)
    )


def asked(session: Session, ticket: Ticket) -> str | None:
    """What the resident says in an appeal that waits for a decision."""
    if ticket.appeal != APPEAL_OPEN:
        return None
    return session.scalar(
        select(TicketEvent.note)
        .where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == Step.APPEAL.value)
        .order_by(TicketEvent.id.desc())
        .limit(1)
    )


def _start_again(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    due = sla.deadlines(ticket.clock_class, now, CALENDAR)
    ticket.parent_id = ticket.closed_at = None
    ticket.clock_started_at, ticket.contacted_at, ticket.alerts = now, None, []
    ticket.contact_due, ticket.resolve_due = due.contact, due.resolve
    start = dispatching.start_level(ticket.item.start_level, ticket.urgency)
    dispatching.assign(session, ticket, start, now)
