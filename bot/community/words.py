"""Word lists made from community.yml: the place lookup and the jieba dictionary."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bot.community.schema import Community, Department, Estate, Node
from bot.nlu.dictionary import write_dictionary

PLACE_LOOKUP = Path("data/lookups/places.txt")
PLACE_DICTIONARY = Path("data/jieba/places.txt")
SERVICE_DICTIONARY = Path("data/jieba/services.txt")
MAX_WORD = 4
WORD_LISTS = (PLACE_LOOKUP, PLACE_DICTIONARY, SERVICE_DICTIONARY)


def estate_names(community: Community) -> list[str]:
    """Names and aliases of estates: what the extractor looks for as `estate`."""
    return _longest_first(name for e in community.estates for name in (e.name, *e.aliases))


def place_words(community: Community) -> list[str]:
    """Every proper name of a place or office: estates, organisation nodes, departments."""
    owners: list[Estate | Node | Department] = [
        *community.estates,
        *community.nodes,
        *community.departments,
    ]
    return _longest_first(name for owner in owners for name in (owner.name, *owner.aliases))


def service_words(community: Community) -> list[str]:
    """The short words of the service catalogue and of the FAQ."""
    catalogue = [word for _, item in community.service_items() for word in item.words]
    asked = [word for faq in community.faq for word in faq.words]
    # Longer ones are phrases (老人不见了): kept whole, they would hide the words inside them.
    return _longest_first(word for word in (*catalogue, *asked) if len(word) <= MAX_WORD)


def write_word_lists(community: Community, root: Path) -> list[Path]:
    """Write the three generated files under `root`; returns those whose content changed."""
    before = {path: _content(root / path) for path in WORD_LISTS}
    (root / PLACE_LOOKUP).parent.mkdir(parents=True, exist_ok=True)
    (root / PLACE_LOOKUP).write_text("\n".join(estate_names(community)) + "\n", "utf-8")
    write_dictionary(_whole(place_words(community)), root / PLACE_DICTIONARY)
    write_dictionary(_whole(service_words(community)), root / SERVICE_DICTIONARY)
    return [path for path in WORD_LISTS if _content(root / path) != before[path]]


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(set(words), key=lambda word: (-len(word), word))


def _whole(words: Iterable[str]) -> list[str]:
    # A single character needs no dictionary, and jieba splits its dictionary lines at spaces.
    return [word for word in words if len(word) > 1 and " " not in word]


def _content(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""
