"""Labelled texts to score understanding on: the project's own, and residents' where present."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.heldout import labelled
from bench.perturb import distorted
from bot.training.evaluate import read_rows
from bot.training.scores import label_of

RESIDENTS = Path("../shared/nlu-eval")
NAMES = (
    "gold_dev",
    "taidi_weak_title",
    "medical_queries_dev",
    "oos_dev",
    "dialogflow_smalltalk",
)

Rows = list[dict[str, Any]]


def own_sets() -> dict[str, Rows]:
    """The held-out sentences of data/regression under the labels of the evaluation.

    `own_addressed` are the items once more, each with where it is (bench/perturb.py).
    """
    pairs = {name: labelled(name) for name in ("items", "talk")}
    texts, intents = zip(*pairs["items"], strict=True)
    pairs["addressed"] = list(zip(distorted(list(texts), "addressed"), intents, strict=True))
    return {
        f"own_{name}": [
            {"text": text, "label": label_of(intent.split("/")[0])} for text, intent in rows
        ]
        for name, rows in pairs.items()
    }


def all_sets() -> dict[str, Rows]:
    """Own sets and, if their folder is there, residents' texts."""
    sets = own_sets()
    for name in NAMES:
        path = RESIDENTS / f"{name}.jsonl"
        if path.is_file():
            sets[name] = read_rows(path)
    return sets
