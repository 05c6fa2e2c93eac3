"""Scores of predicted labels against reference labels (see docs/understanding.md)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

CATEGORIES = ("housing", "medical", "employment", "elderly_care", "education", "dispute")
OTHER_MATTERS = ("other_service", "family_crisis", "emergency")
SERVICE_LABELS = {*CATEGORIES, "other"}
OUT = {"oos", "chitchat"}
# A family crisis or an emergency is also right where the reference allows one of these.
AKIN = {"dispute", "medical"}


def label_of(intent: str | None) -> str:
    """The scored label of an intent: a category, `other`, or `oos` (no ticket)."""
    if intent in CATEGORIES:
        return str(intent)
    return "other" if intent in OTHER_MATTERS else "oos"


@dataclass(frozen=True)
class Outcome:
    """One row with the bot's reading of it."""

    text: str
    truth: str
    accepted: frozenset[str]
    intent: str
    confidence: float

    @property
    def label(self) -> str:
        """The bot's label."""
        return label_of(self.intent)

    @property
    def right(self) -> bool:
        """Is the label the reference label?"""
        return self.label == self.truth

    @property
    def acceptable(self) -> bool:
        """Is the label one that counts as right?"""
        if self.label in self.accepted:
            return True
        return self.intent in ("family_crisis", "emergency") and bool(self.accepted & AKIN)


def outcome(row: dict[str, Any], parse: dict[str, Any]) -> Outcome:
    """Put a row and its parse together; small talk and out of scope are one label."""
    accepted = {"oos" if name in OUT else name for name in row.get("accept") or [row["label"]]}
    truth = "oos" if row["label"] in OUT else row["label"]
    intent = parse["intent"]
    name, confidence = str(intent.get("name")), float(intent.get("confidence") or 0.0)
    return Outcome(row["text"], truth, frozenset(accepted), name, confidence)


def _f1(outcomes: list[Outcome], label: str) -> dict[str, float]:
    hits = sum(o.truth == label == o.label for o in outcomes)
    predicted = sum(o.label == label for o in outcomes)
    actual = sum(o.truth == label for o in outcomes)
    precision, recall = hits / max(predicted, 1), hits / max(actual, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(f1, 4),
        "n": actual,
    }


def score(outcomes: list[Outcome]) -> dict[str, Any]:
    """All figures of one set of rows."""
    labels = sorted({o.truth for o in outcomes})
    per_label = {label: _f1(outcomes, label) for label in labels}
    outside = [o for o in outcomes if o.truth == "oos"]
    confusion = Counter((o.truth, o.label) for o in outcomes)
    return {
        "n": len(outcomes),
        "primary": _share([o.right for o in outcomes]),
        "accept": _share([o.acceptable for o in outcomes]),
        "macro_f1": round(sum(p["f1"] for p in per_label.values()) / max(len(labels), 1), 4),
        "false_ticket_rate": _share([o.label in SERVICE_LABELS for o in outside]),
        "per_label": per_label,
        "confusion": {
            truth: {got: n for (t, got), n in sorted(confusion.items()) if t == truth}
            for truth in labels
        },
        "ece": _ece(outcomes),
    }


def _share(values: list[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _ece(outcomes: list[Outcome], bins: int = 10) -> float | None:
    """Gap between confidence and being acceptable; rows where the bot only asked are left out."""
    sure = [o for o in outcomes if o.intent != "nlu_fallback"]
    if not sure:
        return None
    confidence = np.array([o.confidence for o in sure])
    right = np.array([o.acceptable for o in sure], float)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[place == i].mean() - right[place == i].mean()) * (place == i).mean()
        for i in set(place)
    ]
    return round(float(sum(gaps)), 4)
