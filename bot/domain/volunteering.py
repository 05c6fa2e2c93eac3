"""志愿服务与双报到 as plain values: who signs up as what, when they are free, what they can do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

KINDS = {"member": "在职党员", "unit": "单位", "resident": "居民志愿者"}
SHORT = 12

# Choice → its words and rows as in a duty roster; no rows means at any time.
HOURS: dict[str, tuple[str, tuple[dict[str, Any], ...]]] = {
    "evening": (
        "工作日晚上",
        ({"days": [1, 2, 3, 4, 5], "start": "17:30", "end": "22:00"},),
    ),
    "weekend": ("周末", ({"days": [6, 7], "start": "08:00", "end": "22:00"},)),
    "spare": (
        "晚上和周末",
        (
            {"days": [1, 2, 3, 4, 5], "start": "17:30", "end": "22:00"},
            {"days": [6, 7], "start": "08:00", "end": "22:00"},
        ),
    ),
    "any": ("随时", ()),
}

_UNIT = re.compile(r"单位|公司|支部|党组织|企业|学校|医院|银行")
_MEMBER = re.compile(r"党员|报到")
_HOURS_ASKED = re.compile(
    r"(?:志愿|服务|义工).{0,6}(?:时长|小时|时数|多久|多长)|(?:时长|时数).{0,4}(?:多少|查|有)"
)
_WISHES_ASKED = re.compile(r"微心愿|(?:有|找).{0,6}(?:心愿|活儿?干|能帮的)|认领")
_YES = re.compile(r"我(?:来|去|愿意|可以)(?:吧|帮忙?|做|办)?")
_TRIM = re.compile(r"[\W_]+")
_BARE = re.compile(
    r"(?:您?好|你好|请问|那个|嗯)*(?:我|俺|我们|咱)?(?:是|作为)?(?:一名|一个|个)?(?:在职|预备|社区|退休)?(?:党员)?"
    r"(?:单位|公司|学校|党?支部)?(?:我|我们)?(?:也|就)?(?:来|想来|想要|要来|想|要|愿意|可以|能)?"
    r"(?:向|到|去|回)?(?:社区|居委会)?(?:报名|申请|登记|注册)?(?:参加|当|做|成为|加入|做个|当个|一下)?(?:一?名|个)?"
    r"(?:社区)?(?:的)?(?:双报到|报到|志愿者|义工|志愿服务|志愿报名)(?:怎么|咋|如何|在哪儿?)?(?:报名|报|登记|弄|注册|当|做)?"
    r"(?:了|吧|吗|呢|一下|可以吗|行吗)?"
)


def plain(text: str) -> str:
    """The text without marks and blanks, half width."""
    return _TRIM.sub("", unicodedata.normalize("NFKC", text))


def wants_to_sign_up(text: str) -> bool:
    """「我要报到」「想当志愿者」 and nothing else; more than that is for a person to read."""
    return bool(_BARE.fullmatch(plain(text)))


def asks_hours(text: str) -> bool:
    """「我的志愿时长」."""
    return bool(_HOURS_ASKED.search(text))


def asks_wishes(text: str) -> bool:
    """「有什么微心愿」."""
    return bool(_WISHES_ASKED.search(text))


def asks_own_wishes(text: str) -> bool:
    """The same, short and by name, so that it cannot be a matter."""
    return "微心愿" in text and len(plain(text)) <= SHORT and asks_wishes(text)


def says_yes(text: str) -> bool:
    """「我来」 in words, to an offer that came by itself."""
    return bool(_YES.fullmatch(plain(text)))


def kind_in(text: str) -> str:
    """As what somebody signs up, by their own words."""
    if _UNIT.search(text):
        return "unit"
    return "member" if _MEMBER.search(text) else "resident"


def skills_in(text: str, names: Mapping[str, str]) -> list[str]:
    """Keys of skills whose name, or two characters of it, stand in the text."""
    return [
        key
        for key, name in names.items()
        if any(name[at : at + 2] in text for at in range(len(name) - 1))
    ]


def span(minutes: int) -> str:
    """「1小时30分钟」."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours}小时" if hours else "", f"{rest}分钟" if rest or not hours else ""]
    return "".join(parts)
