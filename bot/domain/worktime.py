"""Working-time arithmetic: split shifts, holidays, exact to the second.

Times are aware; shifts are local to Asia/Shanghai, which has no summer time. The calendar of
working days (with 调休) is passed in, because it comes from a library.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SHANGHAI = dt.timezone(dt.timedelta(hours=8), "Asia/Shanghai")
# Longest gap without a working day that is believed: beyond it the calendar is wrong.
MAX_IDLE_DAYS = 400

Shift = tuple[dt.time, dt.time]
DEFAULT_SHIFTS: tuple[Shift, ...] = (
    (dt.time(9), dt.time(12)),
    (dt.time(13, 30), dt.time(17, 30)),
)


def weekdays(day: dt.date) -> bool:
    """Monday to Friday: the fall-back calendar."""
    return day.weekday() < 5


@dataclass(frozen=True)
class WorkCalendar:
    """Office hours: `shifts` on each day for which `is_workday` is true."""

    shifts: tuple[Shift, ...] = DEFAULT_SHIFTS
    is_workday: Callable[[dt.date], bool] = field(default=weekdays)

    @property
    def day_shifts(self) -> tuple[Shift, ...]:
        """The shifts of a working day; a subclass may look them up late."""
        return self.shifts

    @property
    def day_length(self) -> dt.timedelta:
        """Working time in one working day."""
        anchor = dt.date(2000, 1, 3)
        return sum(
            (
                dt.datetime.combine(anchor, end) - dt.datetime.combine(anchor, start)
                for start, end in self.day_shifts
            ),
            dt.timedelta(),
        )

    def periods(self, start: dt.datetime) -> Iterator[tuple[dt.datetime, dt.datetime]]:
        """Working periods that end after `start`, the first one cut to begin no earlier."""
        local = start.astimezone(SHANGHAI)
        day, idle = local.date(), 0
        while idle < MAX_IDLE_DAYS:
            if self.is_workday(day):
                idle = 0
                for begin, end in self.day_shifts:
                    opens = dt.datetime.combine(day, begin, SHANGHAI)
                    closes = dt.datetime.combine(day, end, SHANGHAI)
                    if closes > local:
                        yield max(opens, local), closes
            else:
                idle += 1
            day += dt.timedelta(days=1)
        raise ValueError("the calendar has no working day in over a year")

    def add(self, start: dt.datetime, work: dt.timedelta) -> dt.datetime:
        """The moment at which `work` of working time has passed since `start` (UTC)."""
        left = work
        for begin, end in self.periods(start):
            if left <= end - begin:
                return (begin + left).astimezone(dt.timezone.utc)
            left -= end - begin
        raise AssertionError("unreachable: periods() never ends")

    def between(self, start: dt.datetime, end: dt.datetime) -> dt.timedelta:
        """Working time from `start` to `end`; zero when `end` is not after `start`."""
        total = dt.timedelta()
        if end <= start:
            return total
        for begins, closes in self.periods(start):
            if begins >= end:
                break
            total += min(closes, end) - begins
        return total

    def end_of_day(self, start: dt.datetime) -> dt.datetime:
        """Close of business of the working day in, or next after, `start` (UTC)."""
        begin, end = next(self.periods(start))
        closes = dt.datetime.combine(begin.date(), self.day_shifts[-1][1], SHANGHAI)
        return max(end, closes).astimezone(dt.timezone.utc)

    def opening(self, at: dt.datetime) -> dt.datetime:
        """The first working moment that is not before `at` (UTC)."""
        return next(self.periods(at))[0].astimezone(dt.timezone.utc)

    def is_open(self, at: dt.datetime) -> bool:
        """Whether `at` falls into working time."""
        begin, _ = next(self.periods(at))
        return begin <= at.astimezone(SHANGHAI)
