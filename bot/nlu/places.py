"""Building, unit, floor and room in any usual spelling, and named estates.

The text must be normalised (Arabic digits, half width). Values are bare: 「三号楼」 gives
building "3", 「A座」 gives "A", 「二单元」 gives unit "2", 「五零一室」 gives room "501".
"""

import re
from collections.abc import Iterable
from pathlib import Path

from bot.nlu.spans import Span, distinct

_GAP = r"[\s,，的]{0,2}"
_BUILDING_WORD = (
    r"(?:号楼|号院楼|楼栋|栋楼?|幢楼?|座(?!位|机|谈|椅|大桥|桥|山|城)|#楼?"
    r"|号(?=\d{1,2}(?:单元|门)))"
)
_BUILDING = re.compile(rf"(?<![A-Za-z0-9])([A-Za-z]?\d{{1,3}}|[A-Za-z]){_BUILDING_WORD}")
_YARD = re.compile(r"(?<!\d)(\d{1,4})号院")
_UNIT = re.compile(r"(?<!\d)(\d{1,2}|[A-Da-d甲乙丙丁东西])单元")
_DOOR = re.compile(rf"(?:{_BUILDING_WORD}){_GAP}(\d{{1,2}})门")
_ROOM = re.compile(
    r"(?<![\dA-Za-z.\-])(\d{3,4}|\d{1,2}(?=室))(?:室|号房|房间?(?!价|款|租|费|东|产)|户)(?!型)"
)
_AFTER = re.compile(
    rf"(?:单元|门|楼|栋|幢|座|#|层){_GAP}(\d{{3,4}})(?:号|室)?(?![\d元块年人平米月天名岁多%.:点]|余)"
)
_FLOOR = re.compile(r"(?<![\d.])(\d{1,2})(?:楼(?!栋|道长)|层(?!楼高|高))")
_DASHED = re.compile(
    r"(?<![\d\-A-Za-z])([A-Za-z]?\d{1,3}|[A-Za-z])[-—–/~](\d{1,2})[-—–/~](\d{3,4})(?![\d\-])"
)
_DASHED_PAIR = re.compile(
    r"(?<![\d\-A-Za-z.栋幢座楼#])([A-Za-z]?\d{1,2}|[A-Za-z])[-—–](\d{3,4})(?![\d\-元年])"
)
_MIXED = re.compile(rf"{_BUILDING_WORD}{_GAP}(\d{{1,2}})[-—–](\d{{3,4}})(?![\d\-])")


def _value(text: str) -> str:
    upper = text.upper()
    return upper.lstrip("0") or upper


def _dashed(text: str) -> list[Span]:
    spans = []
    for match in _DASHED.finditer(text):
        for entity, group in (("building", 1), ("unit", 2), ("room", 3)):
            spans.append(Span(entity, _value(match[group]), *match.span(group)))
    if not spans:
        for match in _DASHED_PAIR.finditer(text):
            spans.append(Span("building", _value(match[1]), *match.span(1)))
            spans.append(Span("room", _value(match[2]), *match.span(2)))
    return spans


def _parts(text: str) -> list[Span]:
    spans = [Span("building", _value(m[1]), *m.span()) for m in _BUILDING.finditer(text)]
    spans += [Span("unit", _value(m[1]), *m.span()) for m in _UNIT.finditer(text)]
    for match in _MIXED.finditer(text):
        spans.append(Span("unit", _value(match[1]), *match.span(1)))
        spans.append(Span("room", _value(match[2]), *match.span(2)))
    if not any(span.entity == "unit" for span in spans):
        spans += [Span("unit", _value(m[1]), *m.span(1)) for m in _DOOR.finditer(text)]
    rooms = [Span("room", _value(m[1]), *m.span()) for m in _ROOM.finditer(text)]
    rooms += [Span("room", _value(m[1]), *m.span(1)) for m in _AFTER.finditer(text)]
    spans += [span for span in rooms if span.value not in {s.value for s in spans}]
    return spans


def find_parts(text: str) -> list[Span]:
    """Parts of an address written in figures; the first of each kind is the resident's place."""
    spans = _dashed(text) or _parts(text)
    taken = {i for span in spans for i in range(span.start, span.end)}
    floors = [m for m in _FLOOR.finditer(text) if m.start(1) not in taken]
    spans += [Span("floor", _value(m[1]), *m.span()) for m in floors]
    return distinct(sorted(spans, key=lambda span: span.start))


# How residents lead up to where they live, the place itself, and what may follow it.
_LEAD = (
    r"(?:(?:我们?|咱们?|俺们?)(?:家里?)?的?(?:地址|住址|位置)?就?(?:住在|住|在|是|:)"
    r"|(?<![\u4e00-\u9fff])(?:家里?)?(?:地址|住址|位置)?(?:住在|住|在|是|:)?)?\s?"
)
# 「两栋楼」 and 「580户」 are counts, 「一座桥」 too.
_HOUSE = (
    r"(?:(?<![\dA-Za-z.])(?:[A-Za-z]?\d{1,3}(?:号楼|号院楼|栋(?!楼)|幢(?!楼)|#)|[A-Za-z](?:座|栋))"
    r"(?![上下道顶长])"
    r"|(?<![\dA-Za-z.\-])[A-Za-z]?\d{1,3}[-—–/~](?:\d{1,2}[-—–/~])?\d{3,4}(?![\d\-元年])"
    r"|(?<!\d)(?:\d{1,2}|[甲乙丙丁])单元(?![门楼大])|(?<![\dA-Za-z.\-])\d{3,4}(?:室|号房)(?!型))"
)
_REST = (
    r"(?:[\s,的]?(?:\d{1,2}|[A-Da-d甲乙丙丁东西])(?:单元|门)(?![口楼大])|\d{1,2}[-—–]\d{3,4}(?![\d\-])"
    r"|[\s,]?\d{1,2}(?:楼|层)(?![上下道顶长])"
    r"|[\s,]?\d{3,4}(?:室|号房|号)?(?![\d元块年人平米月天名岁户多%.:点余]))*"
)
_FOLLOWS = r"(?:的?(?:住户|业主|居民|租户)(?=[\s,。;!?)]|$)|的(?=[\s,。;!?)]|$))?"
# An estate that nobody listed, if it is plain where its name begins.
_SOME_ESTATE = (
    r"(?:(?:^|(?<=[\s,。;:!?(、住在是]))[\u4e00-\u9fff]{2,5}?"
    r"(?:小区|花园|家园|嘉园|花苑|新村|新苑|家属[院楼]|宿舍|公寓|华庭|大院|苑|里|城|府|湾|园))"
)
# Messages about the address itself keep it, unless they say much else.
_ABOUT_PLACE = re.compile(
    r"楼号|楼栋号|门牌|单元号|房号|具体位置|记一下|搬[家到去]|不对"
    r"|[写说弄搞填报]错|错了|写成|应该是|改成|改到|更正|换成|漏了"
)
# What is left must say more than that somebody is somewhere.
_SAYS = re.compile(
    r"(?!我们?|这里|这边|那里|那边|这个|那个|[嗯啊的是在住家就])"
    r"(?!大厅|门口|楼顶|中间|旁边|对面|[左右东西南北]边|空地)[\u4e00-\u9fff]"
)
_LOOSE = re.compile(r"\(\s*\)|(?<=[,。;:!?\s])[,;:]+|^[\s,。;:!?的]+|[\s,;:(]+$")
# Characters left, in any message and in one that may be about the address.
LEAST, LEAST_BESIDES = 4, 14


def read_places(path: str | Path) -> list[str]:
    """Named estates and places, one a line; none where there is no such file."""
    path = Path(path)
    return path.read_text("utf-8").splitlines() if path.is_file() else []


class EstateFinder:
    """Finds the estates and places of a list by name; the longest name wins."""

    def __init__(self, names: Iterable[str]) -> None:
        words = sorted({name.strip() for name in names} - {""}, key=len, reverse=True)
        self._search = re.compile("|".join(map(re.escape, words))) if words else None

    def find(self, text: str) -> list[Span]:
        """Known names, and compounds such as 5号院."""
        found = list(self._search.finditer(text)) if self._search else []
        spans = [Span("estate", m[0], *m.span()) for m in found]
        spans += [Span("estate", m[0], *m.span()) for m in _YARD.finditer(text)]
        return distinct(spans)


class AddressCutter:
    """Cuts a house's address out of a message about something else.

    「3号楼2单元501厨房水管爆了」 is about the pipe: where it is has the extractor, and the figures
    would only remind the model of other messages with an address.
    """

    def __init__(self, names: Iterable[str]) -> None:
        words = sorted({name.strip() for name in names} - {""}, key=len, reverse=True)
        known = "|".join([*map(re.escape, words), _SOME_ESTATE])
        self._address = re.compile(rf"{_LEAD}(?:(?:{known})[\s,的]?老?)?{_HOUSE}{_REST}{_FOLLOWS}")

    def cut(self, text: str) -> str:
        """The message without the address, or as it is if it is about the address."""
        rest = self._address.sub("", text)
        if rest == text:
            return text
        rest = _LOOSE.sub("", rest)
        least = LEAST_BESIDES if _ABOUT_PLACE.search(text) else LEAST
        return rest if len(_SAYS.findall(rest)) >= least else text
