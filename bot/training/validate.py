"""What is wrong with a training set before it is trained on, each with the mend."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from bot.training.corpus import Sentence
from bot.training.exchange import APPROVED
from bot.training.vectors import vectors

FEWEST = 8
NEAR = 0.97
SHOWN = 50


@dataclass(frozen=True)
class Problem:
    """`stops` says whether training would make no sense."""

    text: str
    mend: str
    stops: bool = False


def check(sentences: list[Sentence]) -> list[Problem]:
    """All problems, those that stop training first."""
    problems = [*contradictions(sentences), *_too_few(sentences), *_near(sentences)]
    return sorted(problems, key=lambda problem: not problem.stops)


def contradictions(sentences: list[Sentence]) -> list[Problem]:
    """The same text under two intents: the model can only be wrong about it."""
    by_text: dict[str, set[str]] = defaultdict(set)
    for sentence in sentences:
        by_text[sentence.text].add(sentence.intent)
    return [
        Problem(
            f"「{text}」同时标成了 {'、'.join(sorted(intents))}",
            "留下对的一个，删去或改掉其余的。",
            stops=True,
        )
        for text, intents in by_text.items()
        if len(intents) > 1
    ]


def _too_few(sentences: list[Sentence]) -> list[Problem]:
    counts = Counter(sentence.intent for sentence in sentences)
    return [
        Problem(f"{intent} 只有 {n} 句，学不好", f"再补 {FEWEST - n} 句不同说法。")
        for intent, n in sorted(counts.items())
        if n < FEWEST
    ]


def _near(sentences: list[Sentence]) -> list[Problem]:
    """Newly labelled texts that say almost what a sentence of another intent says."""
    new = [s for s in sentences if s.file == APPROVED]
    old = [s for s in sentences if s.file != APPROVED]
    if not new or not old:
        return []
    # Long sets are compared in the rough: the corpus itself is checked when it is written.
    likeness = vectors([s.text for s in new]) @ vectors([s.text for s in old]).T
    problems = []
    for row, place in enumerate(np.argmax(likeness, axis=1)[: len(new)]):
        mine, other = new[row], old[int(place)]
        if likeness[row, place] >= NEAR and mine.intent != other.intent:
            problems.append(
                Problem(
                    f"「{mine.text}」（{mine.intent}）与「{other.text}」（{other.intent}）几乎一样",
                    "看看哪个类别对，把错的改掉。",
                )
            )
    return problems[:SHOWN]
