"""Clocks of a ticket (时限): deadlines by class, alerts, and the next moment to look again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from bot.domain.levels import Level
from bot.domain.worktime import WorkCalendar


@dataclass(frozen=True)
class Span:
    """A length of time: `hours` on the wall clock, or working hours or days."""

    amount: float
    unit: str  # "h" wall hours | "wh" working hours | "wd" working days | "day" end of the day

    def after(self, start: dt.datetime, calendar: WorkCalendar) -> dt.datetime:
        """The moment this span after `start` ends (UTC)."""
        if self.unit == "h":
            return start + dt.timedelta(hours=self.amount)
        if self.unit == "day":
            return calendar.end_of_day(start)
        whole = dt.timedelta(hours=1) if self.unit == "wh" else calendar.day_length
        return calendar.add(start, self.amount * whole)


@dataclass(frozen=True)
class Clock:
    """The four promises of a clock class; `cap` bounds resolving on the wall clock."""

    accept: Span
    contact: Span
    resolve: Span
    cap: dt.timedelta | None = None
    all_hours: bool = False


CLOCKS: dict[str, Clock] = {
    "danger": Clock(Span(0.25, "h"), Span(0.5, "h"), Span(2, "h"), all_hours=True),
    "utilities": Clock(Span(1, "h"), Span(2, "h"), Span(24, "h"), all_hours=True),
    "consultation": Clock(Span(2, "wh"), Span(1, "day"), Span(1, "wd")),
    "normal": Clock(Span(2, "wh"), Span(1, "wd"), Span(5, "wd"), cap=dt.timedelta(days=7)),
    "complex": Clock(Span(4, "wh"), Span(1, "wd"), Span(15, "wd")),
    "dispute": Clock(Span(4, "wh"), Span(1, "wd"), Span(15, "wd")),
}
CLOCK_NAMES = {
    "danger": "紧急",
    "utilities": "水电气暖/重点人群",
    "consultation": "咨询",
    "normal": "一般",
    "complex": "疑难(多部门)",
    "dispute": "纠纷",
}

# How long a level has to take a task before it climbs (normal classes).
LADDER: dict[Level, Span] = {
    Level.HOUSEHOLD_CENTRE: Span(2, "wh"),
    Level.BUILDING_GROUP: Span(2, "wh"),
    Level.GRID: Span(2, "wh"),
    Level.COMMUNITY: Span(4, "wh"),
    Level.STREET: Span(1, "wd"),
}
# Longest a ticket's clock may stand still in all.
PAUSE_CAP = Span(10, "wd")
PAUSE_CAP_ALL_HOURS = Span(24, "h")
# How long after closing an alert may still go out to someone off duty.
GRACE = dt.timedelta(minutes=30)
RETURN_WINDOW = Span(4, "wh")
SILENCE = dt.timedelta(days=7)
REOPEN_WINDOW = dt.timedelta(days=28)


@dataclass(frozen=True)
class Deadlines:
    """The moments by which a ticket has to be accepted, contacted and resolved (UTC)."""

    accept: dt.datetime
    contact: dt.datetime
    resolve: dt.datetime


def deadlines(clock_class: str, start: dt.datetime, calendar: WorkCalendar) -> Deadlines:
    """Promises made to the resident when the ticket is submitted."""
    clock = CLOCKS[clock_class]
    resolve = clock.resolve.after(start, calendar)
    if clock.cap is not None:
        resolve = min(resolve, start + clock.cap)
    contact = clock.contact.after(start, calendar)
    # A question asked late in the afternoon is to be answered the same day, so accepted too.
    return Deadlines(min(clock.accept.after(start, calendar), contact), contact, resolve)


def accept_by(
    clock_class: str, level: Level, dispatched: dt.datetime, calendar: WorkCalendar
) -> dt.datetime:
    """When a task that nobody took at `level` climbs."""
    clock = CLOCKS[clock_class]
    span = clock.accept if clock.all_hours else LADDER[level]
    return span.after(dispatched, calendar)


def elapsed(
    clock_class: str, start: dt.datetime, end: dt.datetime, calendar: WorkCalendar
) -> dt.timedelta:
    """Time that counts for a class: all of it, or working time only."""
    if CLOCKS[clock_class].all_hours:
        return max(end - start, dt.timedelta())
    return calendar.between(start, end)


def shifted(
    clock_class: str, at: dt.datetime, pause: dt.timedelta, calendar: WorkCalendar
) -> dt.datetime:
    """`at` moved on by a pause measured with `elapsed`."""
    if CLOCKS[clock_class].all_hours or not pause:
        return at + pause
    return calendar.add(at, pause)


def pause_until(
    clock_class: str, start: dt.datetime, used: dt.timedelta, calendar: WorkCalendar
) -> dt.datetime:
    """When a pause that begins at `start` has used up the cap; `start` when nothing is left."""
    if CLOCKS[clock_class].all_hours:
        return start + max(dt.timedelta(hours=PAUSE_CAP_ALL_HOURS.amount) - used, dt.timedelta())
    left = PAUSE_CAP.amount * calendar.day_length - used
    return calendar.add(start, left) if left > dt.timedelta() else start


def resolve_marks(
    start: dt.datetime, due: dt.datetime, all_hours: bool, calendar: WorkCalendar
) -> list[tuple[str, dt.datetime]]:
    """Alerts on the way to `due` and after it, in order: 50 %, 80 %, 100 %, +1 wd, +3 wd."""
    if all_hours:
        span = due - start
        at50, at80 = start + span * 0.5, start + span * 0.8
    else:
        work = calendar.between(start, due)
        at50, at80 = calendar.add(start, work * 0.5), calendar.add(start, work * 0.8)
    day = calendar.day_length
    return [
        ("resolve_50", min(at50, due)),
        ("resolve_80", min(at80, due)),
        ("resolve_100", due),
        ("resolve_1wd", calendar.add(due, day)),
        ("resolve_3wd", calendar.add(due, 3 * day)),
    ]
