"""Figures of the work in a member's scope: three rates (三率), counts, containment (小事不出格).

Every figure is over the tickets the member may see that were opened in the period. Of the finished
ones there are three kinds, and each is counted by itself: rated by the resident, confirmed by an
independent call-back, and neither. Only the first makes up the rates.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql import ColumnElement

from bot.domain.levels import Level
from bot.domain.status import FINAL, Status
from bot.store.models import Member, Ticket
from bot.store.models_life import CallBack
from bot.store.queue import (
    CONTENT_FROM,
    DONE,
    FINAL_VALUES,
    OPEN_VALUES,
    RATED,
    Search,
    conditions,
    confirmed_by_call,
    overdue,
    unrated,
)

NOT_HANDLED = [s.value for s in FINAL - {Status.CLOSED}]
AREAS = {  # where a matter was settled
    "grid": ("小事不出格", (Level.HOUSEHOLD_CENTRE, Level.BUILDING_GROUP, Level.GRID)),
    "community": ("大事不出社区", (Level.COMMUNITY,)),
    "street": ("上交街道", (Level.STREET,)),
}


@dataclass(frozen=True)
class Rate:
    """`part` of `whole`; no percentage where there is nothing to count."""

    part: int
    whole: int

    @property
    def percent(self) -> int | None:
        """Rounded to whole percents."""
        return round(100 * self.part / self.whole) if self.whole else None


@dataclass(frozen=True)
class Statistics:
    """All figures of one page."""

    total: int
    open: int
    overdue: int
    locked: int
    response: Rate  # contacted in time, of those contacted or due
    solved: Rate  # of those that the resident rated
    satisfied: Rate  # of those to which the resident gave stars
    unrated: int  # done; neither rated nor confirmed by a call-back
    confirmed: int  # done and not rated; a call-back says it is solved
    calls: Rate  # call-backs that heard 「已解决」, of all made
    areas: dict[str, Rate]
    by_status: dict[str, int]
    by_level: dict[str, int]
    by_category: dict[str, dict[str, int]]  # category → {"total", "open", "done"}


def statistics(factory: sessionmaker, member_id: int, days: int, now: dt.datetime) -> Statistics:
    """Figures of the last `days` days (0: all time)."""
    with factory() as session:
        where = conditions(session.get(Member, member_id), Search(days=days), now)
        sums = _sums(session, where, now)
        by_status = _counts(session, where, Ticket.status)
        levels = _counts(session, [*where, Ticket.status.in_(DONE)], Ticket.level)
        done = sum(levels.values())
        return Statistics(
            total=sum(by_status.values()),
            open=sums["open"],
            overdue=sums["overdue"],
            locked=sums["locked"],
            response=Rate(sums["in_time"], sums["answerable"]),
            solved=Rate(sums["solved"], sums["judged"]),
            satisfied=Rate(sums["content"], sums["starred"]),
            unrated=sums["unrated"],
            confirmed=sums["confirmed"],
            calls=_calls(session, where),
            areas={
                key: Rate(sum(levels.get(level.value, 0) for level in inside), done)
                for key, (_, inside) in AREAS.items()
            },
            by_status=by_status,
            by_level=_counts(session, where, Ticket.level),
            by_category=_categories(session, where),
        )


def _count_if(condition: ColumnElement) -> ColumnElement:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _sums(session: Session, where: list[ColumnElement], now: dt.datetime) -> dict[str, int]:
    handled = Ticket.status.notin_(NOT_HANDLED)
    due = or_(Ticket.contacted_at.is_not(None), Ticket.contact_due < now)
    wanted = {
        "open": Ticket.status.in_(OPEN_VALUES),
        "overdue": overdue(now),
        "locked": and_(Ticket.locked, Ticket.status.notin_(FINAL_VALUES)),
        "answerable": and_(handled, due),
        "in_time": and_(handled, Ticket.contacted_at <= Ticket.contact_due),
        "judged": and_(RATED, Ticket.solved.is_not(None)),
        "solved": and_(RATED, Ticket.solved),
        "starred": and_(RATED, Ticket.stars.is_not(None)),
        "content": and_(RATED, Ticket.stars >= CONTENT_FROM),
        "unrated": unrated(),
        "confirmed": confirmed_by_call(),
    }
    columns = [_count_if(condition).label(name) for name, condition in wanted.items()]
    row = session.execute(select(*columns).where(*where)).one()
    return {name: int(value) for name, value in row._mapping.items()}


def _calls(session: Session, where: list[ColumnElement]) -> Rate:
    """All calls that were answered, also about rated tickets: heard is not rated."""
    made = CallBack.solved.is_not(None)
    query = select(_count_if(and_(made, CallBack.solved)), _count_if(made))
    solved, calls = session.execute(
        query.select_from(Ticket).join(CallBack, CallBack.ticket_id == Ticket.id).where(*where)
    ).one()
    return Rate(int(solved), int(calls))


def _counts(session: Session, where: list[ColumnElement], column: ColumnElement) -> dict[str, int]:
    rows = session.execute(select(column, func.count(Ticket.id)).where(*where).group_by(column))
    return {key: int(count) for key, count in rows}


def _categories(session: Session, where: list[ColumnElement]) -> dict[str, dict[str, int]]:
    rows = session.execute(
        select(
            Ticket.category,
            func.count(Ticket.id),
            _count_if(Ticket.status.in_(OPEN_VALUES)),
            _count_if(Ticket.status.in_(DONE)),
        )
        .where(*where)
        .group_by(Ticket.category)
        .order_by(func.count(Ticket.id).desc(), Ticket.category)
    )
    return {c: {"total": int(t), "open": int(o), "done": int(d)} for c, t, o, d in rows}
