"""Is one model better than another on the same sentences? Plain statistics, no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binom

RESAMPLES = 2000
BINS = 10


@dataclass(frozen=True)
class Read:
    """How a model read a sentence."""

    intent: str
    item: str | None
    confidence: float
    danger: bool

    @property
    def full(self) -> str:
        """Intent with item, as labels are written."""
        return f"{self.intent}/{self.item}" if self.item else self.intent


def reading(parse: dict[str, Any]) -> Read:
    """A parse of `/model/parse` as a `Read`."""
    intent = parse.get("intent") or {}
    item = parse.get("service_item") or {}
    name = str(intent.get("name"))
    return Read(
        name,
        None if name == "nlu_fallback" else item.get("name"),
        float(intent.get("confidence") or 0.0),
        parse.get("urgency") == "danger",
    )


def chance_of_loss(won: int, lost: int) -> float:
    """One-sided exact McNemar: how likely so many losses are if the models are equally good."""
    return float(binom.sf(lost - 1, won + lost, 0.5)) if lost else 1.0


def interval(live: np.ndarray, candidate: np.ndarray, seed: int = 0) -> list[float]:
    """95 % interval of the gain in share right, by paired bootstrap; 0 ± 0 for no sentences."""
    if not len(live):
        return [0.0, 0.0]
    gain = candidate.astype(float) - live.astype(float)
    rows = np.random.default_rng(seed).integers(0, len(gain), (RESAMPLES, len(gain)))
    low, high = np.percentile(gain[rows].mean(axis=1), [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]


def group(live: np.ndarray, candidate: np.ndarray) -> dict[str, Any]:
    """All figures of one group of sentences; arrays say which were read rightly."""
    won, lost = int((candidate & ~live).sum()), int((live & ~candidate).sum())
    return {
        "n": len(live),
        "live": _share(live),
        "candidate": _share(candidate),
        "gain": round(_share(candidate) - _share(live), 4),
        "interval": interval(live, candidate),
        "won": won,
        "lost": lost,
        "p_loss": round(chance_of_loss(won, lost), 5),
    }


def _share(right: np.ndarray) -> float:
    return round(float(right.mean()), 4) if len(right) else 0.0


def reliability(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Bins of confidence with the share right in each, and the mean gap between the two."""
    bins = []
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    for number in range(BINS):
        inside = place == number
        if inside.any():
            bins.append(
                {
                    "confidence": round(float(confidence[inside].mean()), 4),
                    "right": round(float(right[inside].mean()), 4),
                    "n": int(inside.sum()),
                }
            )
    total = max(len(confidence), 1)
    gap = sum(abs(b["confidence"] - b["right"]) * b["n"] for b in bins) / total
    return {"ece": round(gap, 4), "bins": bins}


def macro_f1(truth: list[str], guess: list[str]) -> float:
    """Mean F1 over the intents of the sentences."""
    scores = []
    for name in sorted(set(truth)):
        hits = sum(t == g == name for t, g in zip(truth, guess, strict=True))
        scores.append(2 * hits / max(truth.count(name) + guess.count(name), 1))
    return round(float(np.mean(scores)), 4) if scores else 0.0
