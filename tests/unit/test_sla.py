"""Promises by clock class, the ladder, and alerts on the way."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import sla
from bot.domain.levels import Level
from bot.domain.worktime import SHANGHAI, WorkCalendar
from bot.services.clock import CALENDAR

PLAIN = WorkCalendar()
CLASSES = sorted(sla.CLOCKS)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


starts = st.builds(
    lambda minutes: at("2026-11-23 00:00") + dt.timedelta(minutes=minutes),
    st.integers(0, 21 * 24 * 60),
)


@pytest.mark.parametrize(
    ("clock", "accept", "contact", "resolve"),
    [
        ("danger", "2026-11-24 20:15", "2026-11-24 20:30", "2026-11-24 22:00"),
        ("utilities", "2026-11-24 21:00", "2026-11-24 22:00", "2026-11-25 20:00"),
        ("consultation", "2026-11-25 11:00", "2026-11-25 17:30", "2026-11-25 17:30"),
        ("normal", "2026-11-25 11:00", "2026-11-25 17:30", "2026-12-01 17:30"),
        ("complex", "2026-11-25 14:30", "2026-11-25 17:30", "2026-12-15 17:30"),
        ("dispute", "2026-11-25 14:30", "2026-11-25 17:30", "2026-12-15 17:30"),
    ],
)
def test_a_matter_told_on_a_tuesday_evening(clock, accept, contact, resolve):
    due = sla.deadlines(clock, at("2026-11-24 20:00"), PLAIN)
    assert (due.accept, due.contact, due.resolve) == (at(accept), at(contact), at(resolve))


def test_normal_matters_are_capped_at_seven_days_over_the_national_holiday():
    start = at("2026-09-30 16:00")  # the holiday begins next day
    due = sla.deadlines("normal", start, CALENDAR)
    assert due.resolve == start + dt.timedelta(days=7)
    assert due.accept == at("2026-10-08 09:30")


def test_a_moved_working_saturday_counts():
    assert CALENDAR.is_workday(dt.date(2026, 10, 10))  # 调休
    assert not CALENDAR.is_workday(dt.date(2026, 10, 2))


@given(st.sampled_from(CLASSES), starts)
def test_promises_come_in_order(clock, start):
    due = sla.deadlines(clock, start, PLAIN)
    assert start < due.accept <= due.contact <= due.resolve


@given(st.sampled_from(CLASSES), starts)
def test_alerts_come_in_order_and_end_after_the_deadline(clock, start):
    due = sla.deadlines(clock, start, PLAIN)
    marks = sla.resolve_marks(start, due.resolve, sla.CLOCKS[clock].all_hours, PLAIN)
    moments = [moment for _, moment in marks]
    assert moments == sorted(moments)
    assert start < moments[0]
    assert dict(marks)["resolve_100"] == due.resolve


@given(starts, st.sampled_from(list(Level)))
def test_urgent_tasks_climb_by_the_wall_clock_and_others_by_working_time(start, level):
    assert sla.accept_by("danger", level, start, PLAIN) == start + dt.timedelta(minutes=15)
    waited = PLAIN.between(start, sla.accept_by("normal", level, start, PLAIN))
    assert waited >= dt.timedelta(hours=2)


def test_half_of_the_working_time_is_not_half_of_the_wall_clock():
    start, due = at("2026-11-27 16:30"), at("2026-11-30 10:00")  # 2 working hours over a weekend
    marks = dict(sla.resolve_marks(start, due, False, PLAIN))
    assert marks["resolve_50"] == at("2026-11-27 17:30")
