"""Working time is exact to the second: checked against a slow walk, minute by minute."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.worktime import DEFAULT_SHIFTS, SHANGHAI, WorkCalendar

MINUTE = dt.timedelta(minutes=1)
START = dt.datetime(2026, 9, 28, tzinfo=SHANGHAI)


@st.composite
def calendars(draw: st.DrawFn) -> WorkCalendar:
    edges = draw(
        st.lists(st.integers(0, 24 * 60 - 1), min_size=2, max_size=6, unique=True).map(sorted)
    )
    pairs = zip(edges[::2], edges[1::2], strict=False)
    shifts = tuple(
        (dt.time(a // 60, a % 60), dt.time(b // 60, b % 60)) for a, b in pairs if b - a >= 30
    )
    off = draw(st.sets(st.integers(0, 20), max_size=12))
    days = frozenset((START + dt.timedelta(days=n)).date() for n in off)
    return WorkCalendar(shifts or DEFAULT_SHIFTS, lambda day: day not in days)


moments = st.builds(
    lambda seconds: START + dt.timedelta(seconds=seconds), st.integers(0, 6 * 24 * 3600)
)
amounts = st.builds(lambda seconds: dt.timedelta(seconds=seconds), st.integers(1, 30 * 3600))


def is_open(calendar: WorkCalendar, minute: dt.datetime) -> bool:
    return calendar.is_workday(minute.date()) and any(
        begin <= minute.time() < end for begin, end in calendar.shifts
    )


def slow_add(calendar: WorkCalendar, start: dt.datetime, work: dt.timedelta) -> dt.datetime:
    at = start
    while True:
        minute = at.replace(second=0, microsecond=0)
        if is_open(calendar, minute):
            step = minute + MINUTE - at
            if work <= step:
                return at + work
            work -= step
        at = minute + MINUTE


def slow_between(calendar: WorkCalendar, start: dt.datetime, end: dt.datetime) -> dt.timedelta:
    total, at = dt.timedelta(), start
    while at < end:
        minute = at.replace(second=0, microsecond=0)
        after = min(minute + MINUTE, end)
        if is_open(calendar, minute):
            total += after - at
        at = after
    return total


@settings(max_examples=60, deadline=None)
@given(calendars(), moments, amounts)
def test_adding_work_agrees_with_the_slow_walk(calendar, start, work):
    assert calendar.add(start, work) == slow_add(calendar, start, work)


@settings(max_examples=60, deadline=None)
@given(calendars(), moments, moments)
def test_work_between_agrees_with_the_slow_walk(calendar, one, other):
    assert calendar.between(one, other) == slow_between(calendar, one, other)


@settings(max_examples=200, deadline=None)
@given(calendars(), moments, amounts, amounts)
def test_adding_twice_is_adding_the_sum_and_between_is_its_inverse(calendar, start, one, two):
    end = calendar.add(start, one)
    assert calendar.between(start, end) == one
    assert calendar.add(end, two) == calendar.add(start, one + two)


@given(calendars(), moments)
def test_open_means_that_time_passes(calendar, at):
    assert calendar.is_open(at) == (
        calendar.between(at, at + dt.timedelta(seconds=1)) > dt.timedelta()
    )


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-24 11:59:59", 1, "2026-11-24 14:29:59"),  # over lunch
        ("2026-11-24 17:30:00", 1, "2026-11-25 10:00:00"),  # closed: from the next morning
        ("2026-11-27 17:00:00", 1, "2026-11-30 09:30:00"),  # over the weekend
        ("2026-11-24 09:00:00", 3, "2026-11-24 12:00:00"),  # ends at closing, not at reopening
    ],
)
def test_office_hours(start, hours, end):
    local = dt.datetime.fromisoformat(start).replace(tzinfo=SHANGHAI)
    expected = dt.datetime.fromisoformat(end).replace(tzinfo=SHANGHAI)
    assert WorkCalendar().add(local, dt.timedelta(hours=hours)) == expected


def test_end_of_day_moves_on_after_closing():
    calendar = WorkCalendar()
    morning = dt.datetime(2026, 11, 24, 10, tzinfo=SHANGHAI)
    assert calendar.end_of_day(morning) == morning.replace(hour=17, minute=30)
    friday = dt.datetime(2026, 11, 27, 18, tzinfo=SHANGHAI)
    assert calendar.end_of_day(friday) == dt.datetime(2026, 11, 30, 17, 30, tzinfo=SHANGHAI)


def test_a_calendar_without_working_days_says_so():
    with pytest.raises(ValueError, match="no working day"):
        WorkCalendar(is_workday=lambda day: False).add(START, MINUTE)
