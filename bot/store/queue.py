"""The queue: tickets in a member's scope, searched, filtered, paged. Feeds page and export."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, func, not_, or_, select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql import ColumnElement

from bot.domain.levels import Level
from bot.domain.status import FINAL, OPEN, Status
from bot.store import appeals, co_tasks
from bot.store.models import Member, Ticket
from bot.store.queries import BOXES, Row, loaded, reasons_of, row_of
from bot.store.scope import visible_to

MAX_TEXT = 50
OPEN_VALUES = [s.value for s in OPEN]
FINAL_VALUES = [s.value for s in FINAL]
DONE = [Status.RESOLVED.value, Status.CLOSED.value]
CONTENT_FROM = 4  # stars from which a resident counts as satisfied
RATED = Ticket.rated_at.is_not(None)  # by the resident; a call-back never sets it
_BY_CALL = func.coalesce(Ticket.closed_how, "") == "call_back"
SHOWS = {
    "open": "未办结",
    "overdue": "已超时",
    "locked": "待人工派单",
    "appeal": "待我复核的申诉",
    "unrated": "办结未评价",
    "confirmed": "回访确认",
    "unsolved": "评价未解决",
    "unhappy": "评价不满意",
}


@dataclass(frozen=True)
class Search:
    """Filters of the queue; empty ones do not narrow."""

    text: str = ""
    status: str = ""
    category: str = ""
    level: str = ""
    show: str = ""  # a key of SHOWS
    days: int = 0  # created within so many days
    page: int = 1
    size: int = 20


@dataclass(frozen=True)
class Found:
    """One page of rows, and how many there are in all."""

    rows: list[Row]
    total: int
    pages: int


def overdue(now: dt.datetime) -> ColumnElement:
    """Tickets whose next promise is broken."""
    return or_(
        and_(Ticket.status == Status.DISPATCHED.value, Ticket.accept_due < now),
        and_(
            Ticket.status.in_([Status.ACCEPTED.value, Status.REOPENED.value]),
            Ticket.contact_due < now,
        ),
        and_(Ticket.status == Status.IN_PROGRESS.value, Ticket.resolve_due < now),
    )


def confirmed_by_call() -> ColumnElement:
    """Finished, not rated, and solved as an independent caller was told."""
    return and_(Ticket.status.in_(DONE), Ticket.rated_at.is_(None), _BY_CALL)


def unrated() -> ColumnElement:
    """Finished, and nobody has said whether it is solved."""
    return and_(Ticket.status.in_(DONE), Ticket.rated_at.is_(None), not_(_BY_CALL))


def _show(key: str, member: Member, now: dt.datetime) -> ColumnElement:
    return {
        "appeal": appeals.to_decide(member),
        "open": Ticket.status.in_(OPEN_VALUES),
        "overdue": overdue(now),
        "locked": and_(Ticket.locked, Ticket.status.notin_(FINAL_VALUES)),
        "unrated": unrated(),
        "confirmed": confirmed_by_call(),
        "unsolved": and_(RATED, Ticket.solved.is_(False)),
        "unhappy": and_(RATED, Ticket.stars < CONTENT_FROM),
    }[key]


def _text(words: str) -> ColumnElement:
    like = words.strip()[:MAX_TEXT]
    columns = (Ticket.number, Ticket.description, Ticket.place_text)
    return or_(*(column.contains(like, autoescape=True) for column in columns))


def conditions(member: Member, search: Search, now: dt.datetime) -> list[ColumnElement]:
    """The WHERE clauses of a search, scope first; values that make no sense do not narrow."""
    found = [visible_to(member)]
    if search.status in {s.value for s in Status}:
        found.append(Ticket.status == search.status)
    if search.category:
        found.append(Ticket.category == search.category)
    if search.level in {level.value for level in Level}:
        found.append(Ticket.level == search.level)
    if search.show in SHOWS:
        found.append(_show(search.show, member, now))
    if search.days > 0:
        found.append(Ticket.created_at >= now - dt.timedelta(days=min(search.days, 3660)))
    if search.text.strip():
        found.append(_text(search.text))
    return found


def queue(factory: sessionmaker, member_id: int, search: Search, now: dt.datetime) -> Found:
    """A page of the queue: what waits for a dispatcher or a decision first, then the newest."""
    with factory() as session:
        member = session.get(Member, member_id)
        where = conditions(member, search, now)
        total = session.scalar(select(func.count(Ticket.id)).where(*where)) or 0
        pages = max(1, -(-total // search.size))
        page = min(max(search.page, 1), pages)
        rows = _rows(session, member, where, now, (page - 1) * search.size, search.size)
        return Found(rows, total, pages)


def export(
    factory: sessionmaker, member_id: int, search: Search, now: dt.datetime, limit: int = 5000
) -> list[Row]:
    """Every ticket of a search, for a file."""
    with factory() as session:
        member = session.get(Member, member_id)
        return _rows(session, member, conditions(member, search, now), now, 0, limit)


def _rows(
    session: Session, member: Member, where: list[Any], now: dt.datetime, skip: int, limit: int
) -> list[Row]:
    locked = and_(Ticket.locked, Ticket.status.notin_(FINAL_VALUES))
    waiting = case((or_(locked, appeals.to_decide(member)), 0), else_=1)
    query = select(Ticket).where(*where).order_by(waiting, Ticket.id.desc())
    tickets = list(session.scalars(loaded(query.offset(skip).limit(limit))))
    reasons = reasons_of(session, [t.id for t in tickets])
    return [row_of(t, now, reasons.get(t.id, "")) for t in tickets]


def box_counts(factory: sessionmaker, member_id: int) -> dict[str, int]:
    """How many of a member's own tasks, co-handling included, lie in each box."""
    with factory() as session:
        rows = session.execute(
            select(Ticket.status, func.count(Ticket.id))
            .where(Ticket.assignee_id == member_id)
            .group_by(Ticket.status)
        )
        counts = {status: int(count) for status, count in rows}
        return {
            box: sum(counts.get(status.value, 0) for status in states)
            + co_tasks.count(session, member_id, box)
            for box, (_, states) in BOXES.items()
        }
