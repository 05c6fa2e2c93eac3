"""Now, and the Chinese working calendar."""

from __future__ import annotations

import datetime as dt
import logging
from functools import lru_cache

import chinese_calendar

from bot.domain.worktime import WorkCalendar, weekdays

log = logging.getLogger(__name__)


def now() -> dt.datetime:
    """Current time, aware, UTC."""
    return dt.datetime.now(dt.timezone.utc)


@lru_cache(maxsize=8)
def _warn_unknown_year(year: int) -> None:
    log.warning("chinesecalendar has no holidays for %s: weekends only; update the package", year)


@lru_cache(maxsize=4096)
def is_workday(day: dt.date) -> bool:
    """A working day by the State Council's calendar (调休 included)."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        _warn_unknown_year(day.year)
        return weekdays(day)


CALENDAR = WorkCalendar(is_workday=is_workday)
