"""Places in any usual spelling: 「3号楼2单元501」「三栋二单元五零一」「3-2-501」「3#」."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

DIGITS = {c: str(i) for i, c in enumerate("零一二三四五六七八九")} | {
    "〇": "0",
    "两": "2",
    "幺": "1",
}
_HALF_WIDTH = {c: c - 0xFEE0 for c in range(0xFF01, 0xFF5F)}  # ３＃ → 3#
_BUILDING = re.compile(
    r"(?P<b>[0-9]{1,3}|[零〇一二两三四五六七八九十百]{1,4}|[A-Za-z])\s*"
    r"(?:号楼|栋|幢|座|号院|#楼|#|号栋|楼栋)"
)
_DASHED = re.compile(r"(?P<b>[0-9]{1,3})\s*[-－—]\s*[0-9]{1,2}(?:\s*[-－—]\s*[0-9]{2,4})?$")


def numeral(text: str) -> str:
    """Arabic digits of a small number in either script: 十二 → 12, 五零一 → 501, Ａ → A."""
    text = text.strip().translate(_HALF_WIDTH)
    if re.fullmatch(r"[0-9A-Za-z]+", text):
        return text.lstrip("0").upper() or "0"
    if any(c in "十百" for c in text):
        return str(_units(text))
    return "".join(DIGITS.get(c, "") for c in text).lstrip("0") or "0"


def _units(text: str) -> int:
    total, digit = 0, 0
    for char in text:
        if char in DIGITS:
            digit = int(DIGITS[char])
        elif char == "十":
            total, digit = total + (digit or 1) * 10, 0
        elif char == "百":
            total, digit = total + digit * 100, 0
    return total + digit


def building_number(text: str) -> str | None:
    """The building's number or letter in `text`, normalised; None when there is none."""
    text = text.strip().translate(_HALF_WIDTH)
    match = _BUILDING.search(text) or _DASHED.match(text)
    return numeral(match["b"]) if match else None


@dataclass(frozen=True)
class Known:
    """A building as the community knows it."""

    id: int
    estate: str
    name: str
    aliases: tuple[str, ...] = ()

    def numbers(self) -> frozenset[str]:
        """Every normalised number under which people call it."""
        found = {building_number(word) for word in (self.name, *self.aliases)}
        return frozenset(n for n in found if n)


@dataclass(frozen=True)
class Resolution:
    """Buildings that a description may mean: one is an answer, several a question."""

    matches: tuple[Known, ...]

    @property
    def only(self) -> Known | None:
        """The building, when there is no doubt."""
        return self.matches[0] if len(self.matches) == 1 else None


def resolve(
    known: Iterable[Known], *, building: str | None, estate: str | None, home: int | None = None
) -> Resolution:
    """Find the building that words mean.

    `building` is a number or any spelling, `estate` a named estate if one was said. When several
    estates have the number, the estate of the resident's own building (`home`, an id) wins.
    """
    every = list(known)
    number = None if building is None else (building_number(building) or numeral(building))
    matches = [
        k for k in every if estate is None or estate in (k.estate, *k.aliases) or k.estate in estate
    ]
    if number is not None:
        matches = [k for k in matches if number in k.numbers()]
    elif estate is None:
        return Resolution(())
    if len(matches) > 1 and home is not None and estate is None:
        mine = {k.estate for k in every if k.id == home}
        near = [k for k in matches if k.estate in mine]
        matches = near or matches
    return Resolution(tuple(matches))


def place_text(building: str, unit: str | None, room: str | None) -> str:
    """「幸福里3号楼2单元501室」 from its parts."""
    return building + (f"{unit}单元" if unit else "") + (f"{room}室" if room else "")
