"""Problems found in community.yml: where, what, and how to mend it, in Chinese."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake; `path` leads to it through maps and lists of the YAML document."""

    path: Path
    what: str
    mend: str


class CommunityError(Exception):
    """community.yml cannot be used; str() lists every problem with file and line."""

    def __init__(self, file: str, problems: Iterable[tuple[int, Problem]]) -> None:
        self.file = file
        self.problems = sorted(problems, key=lambda pair: pair[0])
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        return [
            f"{self.file} 第 {line} 行：{problem.what}。改法：{problem.mend}。"
            for line, problem in self.problems
        ]


def closest(word: str, known: Iterable[str]) -> str:
    """A hint naming the likeliest intended word, or listing what there is."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"是不是「{near[0]}」"
    return "可用的有 " + "、".join(words[:12]) + (" 等" if len(words) > 12 else "")


def line_of(document: Any, path: Path) -> int:
    """1-based line of the deepest part of the path that stands in the document."""
    line = 0
    for part in path:
        try:
            place = document.lc.data[part]
            line = place[0]
            document = document[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line + 1
