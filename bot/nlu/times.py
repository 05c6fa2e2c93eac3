"""Time expressions: the words, and an ISO date or time where it is plain."""

import re
from datetime import date, datetime, timedelta

from bot.nlu.numerals import NUMERAL, to_int
from bot.nlu.spans import Span

_N = rf"(?:\d{{1,2}}|[{NUMERAL}]{{1,3}})"
_PART = (
    r"凌晨|清早|大清早|早上|早晨|清晨|一早|上午|中午|午后|下午|傍晚|晚上|夜里|夜间|半夜|深夜|早|晚"
)
_DAYS = {
    "大前天": -3,
    "前天": -2,
    "昨天": -1,
    "昨日": -1,
    "昨晚": -1,
    "昨夜": -1,
    "今天": 0,
    "今日": 0,
    "今早": 0,
    "今晚": 0,
    "今儿": 0,
    "明天": 1,
    "明日": 1,
    "明早": 1,
    "明晚": 1,
    "明儿": 1,
    "后天": 2,
    "大后天": 3,
}
_DAY = "|".join(sorted(_DAYS, key=len, reverse=True))
_WEEK = r"(上上?个?|这个?|本|下下?个?)?(?:周|星期|礼拜)([1-6一二三四五六日天末])"
_CLOCK = rf"({_N})(?:点钟?|:|时)(?:(半|\d{{1,2}}|[{NUMERAL}]{{1,3}}刻?)分?)?"
_CLOCK += r"(?:左右|多|以后|以前|之后|之前|前|后)?"
_DATE = rf"(?:(\d{{4}})年)?({_N})(?:月)({_N})(?:日|号)"
_UNITS = r"(?:分钟|小时|钟头|天|星期|周|礼拜|月|年)"
_SINCE = rf"(?:{_N}|半|几|好几)个?(?:多)?{_UNITS}(?:多)?(?:以?前|以?后|之前|之后|了|来)"
_LOOSE = (
    r"上个?月|这个?月|下个?月|上周|上星期|上礼拜|下周|下星期|下礼拜|这周|本周|这几天|这两天"
    r"|最近几天|去年|今年|前年|刚才|刚刚|平时|周末|工作日|天天|每天|每晚|每天晚上|整夜|一整天|随时"
)
_ANY = re.compile(
    rf"{_SINCE}|(?:{_DATE}|{_DAY}|{_WEEK}|每天|天天)\s*(?:{_PART})?\s*(?:{_CLOCK})?"
    rf"|(?:{_PART})\s*(?:{_CLOCK})?|{_CLOCK}|{_LOOSE}"
)
_DAY_RE, _WEEK_RE, _DATE_RE, _CLOCK_RE = map(re.compile, (_DAY, _WEEK, _DATE, _CLOCK))
_PART_RE = re.compile(_PART)
_AFTERNOON = {"下午", "午后", "傍晚", "晚上", "夜里", "夜间", "晚", "深夜"}
_WEEKDAYS = {c: i for i, c in enumerate("一二三四五六日")} | {str(i + 1): i for i in range(6)}
_WEEKDAYS |= {"天": 6, "末": 5}


def _weekday(match: re.Match[str], today: date) -> date:
    shift = {"上": -7, "下": 7}.get((match[1] or " ")[0], 0)
    if (match[1] or "").startswith(("上上", "下下")):
        shift *= 2
    monday = today - timedelta(days=today.weekday())
    return monday + timedelta(days=_WEEKDAYS[match[2]] + shift)


def _day(words: str, today: date) -> date | None:
    if match := _DATE_RE.search(words):
        month, day = to_int(match[2]), to_int(match[3])
        try:
            return date(int(match[1] or today.year), month or 0, day or 0)
        except ValueError:
            return None
    if match := _WEEK_RE.search(words):
        return _weekday(match, today)
    if match := _DAY_RE.search(words):
        return today + timedelta(days=_DAYS[match[0]])
    return None


def _clock(words: str) -> tuple[int, int] | None:
    match = _CLOCK_RE.search(words)
    hour = to_int(match[1]) if match else None
    if match is None or hour is None or hour > 24:
        return None
    tail = match[2]
    minute = 30 if tail == "半" else to_int(tail.rstrip("刻")) if tail else 0
    minute = 15 * (minute or 0) if tail and tail.endswith("刻") else minute or 0
    part = _PART_RE.search(words) or re.search(r"[今明昨](晚|夜)", words)
    late = part is not None and (part[0] in _AFTERNOON or part[0][-1] in "晚夜")
    hour = hour + 12 if late and hour < 12 else hour
    return (hour % 24, minute) if minute < 60 else None


def iso(words: str, now: datetime) -> str | None:
    """The plain date (and time) meant by `words`, seen from `now`; None if it is not plain."""
    day, clock = _day(words, now.date()), _clock(words)
    if day is None and clock is None:
        return None
    if clock is None:
        return day.isoformat() if day else None
    return f"{(day or now.date()).isoformat()}T{clock[0]:02d}:{clock[1]:02d}"


def find_times(text: str, now: datetime) -> list[Span]:
    """Time expressions of a text in its words, with `iso` beside them where plain."""
    spans = []
    for match in _ANY.finditer(text):
        words = match[0].strip()
        if len(words) < 2:  # 早 and 晚 alone say nothing
            continue
        value = iso(words, now)
        extra = (("iso", value),) if value else ()
        spans.append(Span("time", words, match.start(), match.start() + len(words), extra))
    return spans
