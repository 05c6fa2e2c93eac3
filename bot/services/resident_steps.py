"""Steps that a resident takes on an own ticket; each public function is one transaction.

`key` is the message's key: the same key is carried out once. Somebody else's number is NotFound.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain import sla
from bot.domain.errors import BadInput, NotFound, WrongState
from bot.domain.status import WITH_ASSIGNEE, Actor, Status, Step
from bot.services import dispatching, wording
from bot.services.clock import CALENDAR
from bot.services.drawing import draw
from bot.services.lifecycle import (
    alert_assignee,
    clean,
    move,
    next_mark,
    notice,
    raise_level,
    share,
    step,
    tell_superiors,
)
from bot.services.suspension import resident_answered
from bot.store.models import Attachment, OrgNode, Ticket, TicketEvent


def own_ticket_for_update(session: Session, number: str, resident_id: int) -> Ticket:
    """The resident's own ticket, locked. Raises NotFound for anybody else's."""
    ticket = session.scalar(
        select(Ticket)
        .where(Ticket.number == number, Ticket.resident_id == resident_id)
        .with_for_update(of=Ticket)
    )
    if ticket is None:
        raise NotFound("没有找到您名下的这张工单，请核对编号。")
    return ticket


def urge(
    factory: sessionmaker, number: str, resident_id: int, now: dt.datetime, *, key: str
) -> str:
    """The resident asks for haste (催办); returns who was reminded. The same key counts once."""
    with step(factory) as session:
        ticket = own_ticket_for_update(session, number, resident_id)
        if not _seen(session, ticket, key):
            event = move(
                session,
                ticket,
                Step.URGE,
                frozenset({Actor.RESIDENT}),
                ("resident", resident_id),
                now,
                data={"key": key},
            )
            text = f"居民催办：工单{number}「{wording.title(ticket)}」，请尽快处理并回复居民。"
            alert_assignee(session, ticket, event, text, now)
        return wording.who(ticket.assignee)


def _seen(session: Session, ticket: Ticket, key: str) -> bool:
    """Whether a resident's step with this message key is on record already."""
    events = session.scalars(
        select(TicketEvent.data)
        .where(TicketEvent.ticket_id == ticket.id, TicketEvent.actor_kind == "resident")
        .order_by(TicketEvent.id.desc())
        .limit(20)
    )
    return any(data.get("key") == key for data in events)


def add(
    factory: sessionmaker,
    number: str,
    resident_id: int,
    words: str,
    now: dt.datetime,
    *,
    key: str,
    attachments: tuple[str, ...] = (),
) -> str:
    """The resident adds words or photos to an open ticket; returns who was told."""
    with step(factory) as session:
        ticket = own_ticket_for_update(session, number, resident_id)
        if not _seen(session, ticket, key):
            note = clean(words, need=None if attachments else "请说一下要补充什么。")
            event = move(
                session,
                ticket,
                Step.ADD,
                frozenset({Actor.RESIDENT}),
                ("resident", resident_id),
                now,
                note,
                {"key": key},
            )
            session.flush()  # the event needs its id
            for row in session.scalars(
                select(Attachment).where(
                    Attachment.token.in_(attachments),
                    Attachment.resident_id == resident_id,
                    Attachment.ticket_id.is_(None),
                )
            ):
                row.ticket_id, row.event_id = ticket.id, event.id
            alert_assignee(session, ticket, event, f"居民补充了工单{number}：{note or '照片'}", now)
            resident_answered(session, ticket, now)
        return wording.who(ticket.assignee)


def withdraw(
    factory: sessionmaker, number: str, resident_id: int, why: str, now: dt.datetime
) -> None:
    """The resident takes the matter back. Doing it twice is once."""
    with step(factory) as session:
        ticket = own_ticket_for_update(session, number, resident_id)
        if ticket.status == Status.WITHDRAWN.value:
            return
        event = move(
            session,
            ticket,
            Step.WITHDRAW,
            frozenset({Actor.RESIDENT}),
            ("resident", resident_id),
            now,
            clean(why),
        )
        dispatching.end_assignment(ticket, "done", now)
        ticket.closed_at, ticket.next_check_at = now, None
        alert_assignee(session, ticket, event, f"居民已撤回工单{number}，无需再办。", now)


def rate(
    factory: sessionmaker,
    number: str,
    resident_id: int,
    now: dt.datetime,
    *,
    stars: int | None = None,
    solved: bool | None = None,
    words: str = "",
) -> str:
    """Rate a resolved ticket; returns its status afterwards.

    「未解决」 reopens it one level up. Ratings may be given in parts (stars, then words), and
    words may be added to a closed rating. Raises BadInput unless 1 ≤ stars ≤ 5.
    """
    if stars is not None and not 1 <= stars <= 5:
        raise BadInput("评分请选 1 到 5 颗星。")
    with step(factory) as session:
        ticket = own_ticket_for_update(session, number, resident_id)
        if ticket.status == Status.DUPLICATE.value:
            return _rate_merged(session, ticket, stars, solved, words, now)
        if solved is False and ticket.solved is False and Status(ticket.status) in WITH_ASSIGNEE:
            return str(ticket.status)  # the same answer again
        if solved is False and ticket.status == Status.RESOLVED.value:
            _reopen(session, ticket, resident_id, words or "居民评价：未解决", now, stars)
            ticket.stars, ticket.solved, ticket.rating_words = stars, False, clean(words) or None
            ticket.rated_at = now
        elif ticket.status == Status.CLOSED.value and ticket.closed_how == "rated":
            ticket.stars = stars or ticket.stars
            ticket.rating_words = clean(words) or ticket.rating_words
        else:
            _close_rated(session, ticket, resident_id, stars, words, now)
        return str(ticket.status)


def _rate_merged(
    session: Session,
    ticket: Ticket,
    stars: int | None,
    solved: bool | None,
    words: str,
    now: dt.datetime,
) -> str:
    """Rate the work on the parent from a merged ticket; 「未解决」 reopens the parent."""
    parent = (
        session.get(Ticket, ticket.parent_id, with_for_update=True) if ticket.parent_id else None
    )
    if parent is None or Status(parent.status) not in {Status.RESOLVED, Status.CLOSED}:
        raise WrongState("合并办理的事还没有办结，办结后请您评价。")
    as_, who = frozenset({Actor.RESIDENT}), ("resident", ticket.resident_id)
    move(session, ticket, Step.RATE, as_, who, now, clean(words), {"stars": stars})
    ticket.stars, ticket.solved, ticket.rated_at = stars, solved is not False, now
    ticket.rating_words = clean(words) or None
    if solved is False:
        _reopen(session, parent, ticket.resident_id, "合并办理的另一位居民评价：未解决", now)
    return str(parent.status)


def _close_rated(
    session: Session,
    ticket: Ticket,
    resident_id: int,
    stars: int | None,
    words: str,
    now: dt.datetime,
) -> None:
    event = move(
        session,
        ticket,
        Step.RATE,
        frozenset({Actor.RESIDENT}),
        ("resident", resident_id),
        now,
        clean(words),
        {"stars": stars},
    )
    ticket.stars, ticket.solved, ticket.rating_words = stars, True, clean(words) or None
    ticket.rated_at = ticket.closed_at = now
    ticket.closed_how, ticket.next_check_at = "rated", None
    draw(session, ticket, now)
    mark = f"{stars}星" if stars else "已解决"
    alert_assignee(session, ticket, event, f"居民评价了工单{ticket.number}：{mark}", now)


def reopen(factory: sessionmaker, number: str, resident_id: int, why: str, now: dt.datetime) -> str:
    """The resident says it is not solved, within 28 days; returns who has it. Twice is once."""
    with step(factory) as session:
        ticket = own_ticket_for_update(session, number, resident_id)
        if Status(ticket.status) in WITH_ASSIGNEE and ticket.reopen_count:
            return wording.who(ticket.assignee)
        _reopen(session, ticket, resident_id, why, now)
        return wording.who(ticket.assignee)


def _reopen(
    session: Session,
    ticket: Ticket,
    resident_id: int,
    why: str,
    now: dt.datetime,
    stars: int | None = None,
) -> None:
    as_ = frozenset({Actor.RESIDENT})
    reopen_by(session, ticket, as_, ("resident", resident_id), why, now, stars)


def reopen_by(
    session: Session,
    ticket: Ticket,
    as_: frozenset[Actor],
    who: tuple[str, int | None],
    why: str,
    now: dt.datetime,
    stars: int | None = None,
) -> None:
    """Not solved after all: the clock begins anew and the next level answers too."""
    if ticket.resolved_at and now > ticket.resolved_at + sla.REOPEN_WINDOW:
        raise WrongState("办结已超过28天，请重新提交一张工单。")
    data = {"stars": stars} if stars else {}
    event = move(session, ticket, Step.REOPEN, as_, who, now, clean(why), data)
    ticket.reopen_count += 1
    ticket.resolved_at = ticket.closed_at = ticket.closed_how = None
    ticket.contacted_at = None  # the resident is to be called anew, by the new deadline
    ticket.alerts = []
    due = sla.deadlines(ticket.clock_class, now, CALENDAR)
    ticket.contact_due, ticket.resolve_due = due.contact, due.resolve
    ticket.clock_started_at, ticket.paused_seconds = now, 0
    parent = session.get(OrgNode, session.get(OrgNode, ticket.node_id).parent_id or ticket.node_id)
    share(session, ticket, parent)
    ticket.next_check_at = next_mark(ticket, now)
    alert_assignee(session, ticket, event, f"居民反映工单{ticket.number}未解决，请重新办理。", now)
    tell_superiors(session, ticket, event, f"工单{ticket.number}被居民要求重办，请共同跟进。", now)
    notice(session, ticket, event, wording.reopened(ticket), now)


def escalate_by_resident(
    factory: sessionmaker, number: str, resident_id: int, why: str, now: dt.datetime
) -> str:
    """The resident asks for a human at the next level, once a ticket; returns who has it."""
    with step(factory) as session:
        ticket = own_ticket_for_update(session, number, resident_id)
        if ticket.resident_escalated:
            return wording.who(ticket.assignee)
        raise_level(
            session,
            ticket,
            frozenset({Actor.RESIDENT}),
            ("resident", resident_id),
            now,
            clean(why),
        )
        ticket.resident_escalated = True
        return wording.who(ticket.assignee)
