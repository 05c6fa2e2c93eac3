"""The working calendar: the nation's, with the street's own hours and exceptions."""

import datetime as dt
import logging

import pytest

from bot.domain.worktime import SHANGHAI
from bot.services import clock
from bot.settings import ROOT, settings


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.fixture(autouse=True)
def anew():
    clock.forget_community()
    yield
    clock.forget_community()


def test_the_streets_own_days_beat_the_national_calendar():
    assert not clock.is_workday(dt.date(2027, 5, 18))  # a Tuesday, closed for training
    assert clock.is_workday(dt.date(2027, 5, 22))  # a Saturday that makes up for it
    assert not clock.is_workday(dt.date(2026, 10, 1))
    assert clock.is_workday(dt.date(2026, 10, 10))  # 调休


def test_a_year_that_the_calendar_lacks_falls_back_to_weekends_with_a_warning(caplog):
    clock._warn_unknown_year.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert clock.is_workday(dt.date(2045, 10, 2))  # a Monday
        assert not clock.is_workday(dt.date(2045, 10, 1))
    assert "2045" in caplog.text


def test_office_hours_are_those_of_community_yml(tmp_path, monkeypatch):
    text = (ROOT / "community.yml").read_text(encoding="utf-8")
    changed = text.replace(
        'work_hours: ["09:00-12:00", "13:30-17:30"]', 'work_hours: ["10:00-16:00"]', 1
    )
    assert changed != text
    path = tmp_path / "community.yml"
    path.write_text(changed, encoding="utf-8")
    monkeypatch.setattr(clock, "settings", lambda: settings().copy(update={"community_file": path}))
    assert clock.CALENDAR.day_length == dt.timedelta(hours=6)
    assert clock.CALENDAR.opening(at("2026-11-24 09:30")) == at("2026-11-24 10:00")
    assert not clock.CALENDAR.is_open(at("2026-11-24 16:30"))
