"""The service catalogue and the community file, as the dialogue reads them."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import lru_cache

from bot.community import load_community
from bot.community.schema import Community, Faq
from bot.settings import settings
from bot.store import queries
from bot.store.db import session_factory
from bot.store.queries import Item

CATEGORY_NAMES = {
    "housing": "住房",
    "medical": "医疗",
    "employment": "就业",
    "elderly_care": "养老",
    "education": "教育",
    "dispute": "矛盾纠纷",
    "family_crisis": "家庭变故",
    "emergency": "紧急求助",
    "other_service": "其他事项",
}
MAX_AGE = 60.0  # seconds; an edited catalogue shows within this time
# One reads, the others wait: the first messages after a start come together, and each would read.
_reading = threading.Lock()
_cache: tuple[float, dict[str, Item]] = (-MAX_AGE, {})


async def items() -> dict[str, Item]:
    """The active catalogue by key, read at most once a minute."""
    global _cache
    if time.monotonic() - _cache[0] > MAX_AGE:
        found = await asyncio.to_thread(queries.items, session_factory())
        _cache = (time.monotonic(), found)
    return _cache[1]


def community() -> Community:
    """The community file; about a second the first time."""
    with _reading:
        return _read_community()


@lru_cache(maxsize=1)
def _read_community() -> Community:
    return load_community(settings().community_file)


async def the_community() -> Community:
    """The community file, without blocking other conversations while it is read."""
    return await asyncio.to_thread(community)


@lru_cache(maxsize=1)
def _words() -> tuple[tuple[str, str], ...]:
    pairs = [
        (word, f"{category.key}/{item.key}")
        for category, item in community().service_items()
        for word in (*item.words, item.name)
    ]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


def vocabulary() -> list[str]:
    """Every word of the catalogue, the longest first."""
    return [word for word, _ in _words()]


async def items_in_words(text: str, category: str | None = None) -> list[str]:
    """Items whose words stand in the text, the longest word first."""
    await the_community()
    known = await items()
    found: dict[str, None] = {}
    for word, key in _words():
        if word in text and key in known and (category is None or key.startswith(f"{category}/")):
            found.setdefault(key)
    return list(found)


async def faq_for(text: str, kinds: set[str], near: str = "") -> Faq | None:
    """The entry whose words fit best; of equals, the one that names the resident's estate."""
    entries = (await the_community()).faq
    scored = [(_score(entry, text, near), entry) for entry in entries if entry.kind in kinds]
    best = max(scored, key=lambda pair: pair[0], default=None)
    return best[1] if best and best[0][0] > 0 else None


def _score(entry: Faq, text: str, near: str) -> tuple[int, bool]:
    hit = max((len(word) for word in entry.words if word in text), default=0)
    if not hit:
        # 「居委会在几楼」 has no whole word of the entry but most of one.
        hit = max((_shared(word, text) for word in entry.words), default=0)
    return hit, bool(near) and near in entry.answer


def _shared(word: str, text: str) -> int:
    """Length of the longest beginning or end of a word, of three characters or more, in a text."""
    for size in range(len(word) - 1, 2, -1):
        if word[:size] in text or word[-size:] in text:
            return size
    return 0
