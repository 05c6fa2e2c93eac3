"""Moments and spans as people here say them; pure functions, used as template filters."""

from __future__ import annotations

import datetime as dt
import json

from bot.domain.worktime import SHANGHAI

WEEKDAYS = "一二三四五六日"


def moment(at: dt.datetime | None, now: dt.datetime) -> str:
    """「今天 15:30」, 「明天 09:00」, 「11月26日 09:00」, with the year when it is another one."""
    if at is None:
        return ""
    local, today = at.astimezone(SHANGHAI), now.astimezone(SHANGHAI)
    days = (local.date() - today.date()).days
    near = {-1: "昨天", 0: "今天", 1: "明天"}.get(days)
    if near:
        return f"{near} {local:%H:%M}"
    year = "" if local.year == today.year else f"{local.year}年"
    return f"{year}{local.month}月{local.day}日 {local:%H:%M}"


def span(length: dt.timedelta) -> str:
    """「2天3小时」, 「1小时20分」, 「5分钟」; never more than two parts."""
    minutes = int(abs(length).total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}天{hours}小时" if hours else f"{days}天"
    if hours:
        return f"{hours}小时{rest}分" if rest and hours < 10 else f"{hours}小时"
    return f"{rest}分钟" if rest else "不到1分钟"


def left(due: dt.datetime | None, now: dt.datetime) -> str:
    """「还剩1小时20分」 or 「已超时5分钟」."""
    if due is None:
        return ""
    return f"还剩{span(due - now)}" if due >= now else f"已超时{span(now - due)}"


def ago(at: dt.datetime, now: dt.datetime) -> str:
    """「刚刚」, 「5分钟前」; older than an hour as a moment."""
    passed = now - at
    if passed < dt.timedelta(minutes=1):
        return "刚刚"
    if passed < dt.timedelta(hours=1):
        return f"{span(passed)}前"
    return moment(at, now)


def roster(shifts: list[dict]) -> list[str]:
    """「周一至周五 09:00–12:00、13:30–17:30」: one line for each set of days."""
    by_days: dict[tuple[int, ...], list[dict]] = {}
    for shift in shifts:
        days = tuple(sorted(shift.get("days") or range(1, 8)))
        by_days.setdefault(days, []).append(shift)
    return [f"{_days(days)} {_hours(same)}" for days, same in by_days.items()]


def _days(days: tuple[int, ...]) -> str:
    if days == tuple(range(1, 8)):
        return "每天"
    first, last = days[0], days[-1]
    if len(days) > 2 and days == tuple(range(first, last + 1)):
        return f"周{WEEKDAYS[first - 1]}至周{WEEKDAYS[last - 1]}"
    return "、".join(f"周{WEEKDAYS[day - 1]}" for day in days)


def _hours(shifts: list[dict]) -> str:
    joined: list[list[str]] = []
    for start, end in sorted((str(s["start"]), str(s["end"])) for s in shifts):
        if joined and joined[-1][1] == start:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    if joined == [["00:00", "00:00"]]:
        return "全天"
    return "、".join(f"{start}–{'次日' if end <= start else ''}{end}" for start, end in joined)


def ascii_json(value: object) -> str:
    """JSON that fits into an HTTP header."""
    return json.dumps(value, ensure_ascii=True)
