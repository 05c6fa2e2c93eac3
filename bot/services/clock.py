"""Now, and the street's working calendar."""

from __future__ import annotations

import datetime as dt
import logging
from functools import lru_cache

import chinese_calendar
import yaml

from bot.community.schema import Calendar, times
from bot.domain.worktime import Shift, WorkCalendar, weekdays
from bot.settings import settings

log = logging.getLogger(__name__)


def now() -> dt.datetime:
    """Current time, aware, UTC."""
    return dt.datetime.now(dt.timezone.utc)


@lru_cache(maxsize=1)
def _community() -> Calendar:
    """The `calendar` section of community.yml, read once a process."""
    with settings().community_file.open(encoding="utf-8") as file:
        return Calendar.parse_obj(yaml.load(file, Loader=yaml.CSafeLoader)["calendar"])


@lru_cache(maxsize=1)
def _shifts() -> tuple[Shift, ...]:
    spans = (times(span) for span in _community().work_hours)
    return tuple((dt.time.fromisoformat(a), dt.time.fromisoformat(b)) for a, b in spans)


@lru_cache(maxsize=8)
def _warn_unknown_year(year: int) -> None:
    log.warning("chinesecalendar has no holidays for %s: weekends only; update the package", year)


@lru_cache(maxsize=4096)
def is_workday(day: dt.date) -> bool:
    """A working day: the street's own exceptions, then the State Council's calendar (调休)."""
    if day in _community().extra_workdays:
        return True
    if day in _community().extra_holidays:
        return False
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        _warn_unknown_year(day.year)
        return weekdays(day)


class CommunityCalendar(WorkCalendar):
    """Working hours from community.yml, which is read on first use and not at import."""

    def __init__(self) -> None:
        super().__init__(is_workday=is_workday)

    @property
    def day_shifts(self) -> tuple[Shift, ...]:
        """The street's office hours."""
        return _shifts()


CALENDAR = CommunityCalendar()


def forget_community() -> None:
    """Read community.yml anew on next use (tests change it)."""
    for cached in (_community, _shifts, is_workday):
        cached.cache_clear()
