"""Moments, spans and rosters in words, and lists that leave the desk as files."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from bot.desk.staff import sheets
from bot.desk.staff.words import ago, left, moment, roster, span
from bot.domain.worktime import SHANGHAI
from bot.store.queries import Row

NOW = dt.datetime(2026, 11, 24, 9, 30, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW.replace(hour=15), "今天 15:30"),
        (NOW + dt.timedelta(days=1), "明天 09:30"),
        (NOW - dt.timedelta(days=1), "昨天 09:30"),
        (NOW + dt.timedelta(days=7), "12月1日 09:30"),
        (NOW + dt.timedelta(days=60), "2027年1月23日 09:30"),
        (None, ""),
    ],
)
def test_a_moment_in_words(at: dt.datetime | None, words: str):
    assert moment(at, NOW.astimezone(dt.timezone.utc)) == words


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "不到1分钟"),
        (5, "5分钟"),
        (60, "1小时"),
        (80, "1小时20分"),
        (23 * 60 + 5, "23小时"),
        (24 * 60, "1天"),
        (51 * 60, "2天3小时"),
    ],
)
def test_a_span_in_words(minutes: int, words: str):
    assert span(dt.timedelta(minutes=minutes)) == words


def test_what_is_left_and_what_is_late():
    assert left(NOW + dt.timedelta(minutes=80), NOW) == "还剩1小时20分"
    assert left(NOW - dt.timedelta(minutes=5), NOW) == "已超时5分钟"
    assert left(None, NOW) == ""


def test_how_long_ago():
    found = [ago(NOW - dt.timedelta(minutes=m), NOW) for m in (0, 5, 90)]
    assert found == ["刚刚", "5分钟前", "今天 08:00"]


def test_a_roster_in_words():
    week, every = [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7]
    office = [("09:00", "12:00"), ("13:30", "17:30")]
    shifts = [{"days": week, "start": start, "end": end} for start, end in office]
    assert roster(shifts) == ["周一至周五 09:00–12:00、13:30–17:30"]
    halves = [("00:00", "12:00"), ("12:00", "00:00")]
    assert roster([{"days": every, "start": s, "end": e} for s, e in halves]) == ["每天 全天"]
    night = {"days": [6, 7], "start": "22:00", "end": "07:00"}
    assert roster([night]) == ["周六、周日 22:00–次日07:00"]
    assert roster([]) == []


def row(**values: object) -> Row:
    known = {
        "created_at": NOW,
        "urgency": "normal",
        "category": "housing",
        "assignee_id": None,
        "due": None,
        "overdue": False,
        "supervised": False,
        "locked": False,
        "version": 1,
    }
    fields = {f.name: "" for f in dataclasses.fields(Row)} | {"stars": None} | known | values
    return Row(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["=1+1", "+86", "-2", "@SUM(A1)", "\t=1"])
def test_a_file_holds_no_formula_from_a_resident(text: str):
    body = sheets.csv_file([row(description=text)]).decode("utf-8-sig")
    assert f"'{text.strip()}" in body or f"'{text}" in body


def test_a_file_holds_no_phone_or_identity_number():
    text = "我是13812345678，身份证110101199001011234，工号12345"
    body = sheets.csv_file([row(description=text)]).decode("utf-8-sig")
    assert "13812345678" not in body and "199001011234" not in body
    assert "工号12345" in body


def test_an_excel_file_survives_characters_that_it_cannot_hold():
    assert sheets.excel_file([row(description="坏字符\x00\x0b在这里")])[:2] == b"PK"
