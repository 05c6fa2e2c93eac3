"""Chinese numerals to numbers, in the places where residents write them."""

import re

DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")}
DIGITS.update({"〇": 0, "○": 0, "幺": 1, "两": 2})
UNITS = {"十": 10, "百": 100, "千": 1000}
NUMERAL = "零〇○一二三四五六七八九幺两十百千万"

# Words after which a numeral is part of an address: 三号楼, 二单元, 十二层.
_ADDRESS_UNITS = "号楼|号院|号房|栋|幢|座|单元|楼|层|室|弄|号"
_BEFORE_UNIT = re.compile(f"([{NUMERAL}]+)(?=(?:{_ADDRESS_UNITS}))")
# A spoken string of digits: 五零一, 一三八零零….
_SPOKEN_RUN = re.compile(f"(?<![{NUMERAL}])[零〇○一二三四五六七八九幺]{{3,}}(?![{NUMERAL}])")


def to_int(numeral: str) -> int | None:
    """The value of a Chinese or Arabic numeral (三百二十, 一万五, 501); None if it is neither."""
    if numeral.isdigit():
        return int(numeral)
    if not numeral or any(c not in NUMERAL for c in numeral):
        return None
    if not any(c in UNITS or c == "万" for c in numeral):
        return int("".join(str(DIGITS[c]) for c in numeral))
    return _with_units(numeral)


def _with_units(numeral: str) -> int:
    total, section, digit, last_unit = 0, 0, 0, 1
    for char in numeral:
        if char in DIGITS:
            digit = DIGITS[char]
            last_unit = 1 if char in "零〇○" else last_unit
        elif char == "万":
            total += (section + digit or 1) * 10000
            section, digit, last_unit = 0, 0, 10000
        else:
            section += (digit or 1) * UNITS[char]
            digit, last_unit = 0, UNITS[char]
    # 一万五 and 三百二 leave out the last unit.
    tail = digit * max(last_unit // 10, 1)
    return total + section + tail


def spoken_digits(run: str) -> str:
    """A run of digit words as digits: 五零一 → 501."""
    return "".join(str(DIGITS[c]) for c in run)


def _address_number(match: re.Match[str]) -> str:
    value = to_int(match.group(1))
    return match.group(0) if value is None else str(value)


def arabic(text: str) -> str:
    """Write numerals of addresses and spoken digit strings in Arabic digits; leave other words."""
    text = _SPOKEN_RUN.sub(lambda m: spoken_digits(m.group(0)), text)
    return _BEFORE_UNIT.sub(_address_number, text)
