"""From the averaged scores of the regressions to honest probabilities.

Training sentences are more alike than residents' texts, so raw probabilities of items are too sure
of one item and starve its neighbours of the same intent. Three numbers mend that: what a message
is (a matter or talk) and which item of an intent it is, are read at `temperature`; which intent it
is, is read with the items flattened by `spread` before they are summed, and made as sure as it
deserves to be by `sharpness`. `temperature` and `sharpness` are fitted on held-back sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize_scalar

# Chosen on residents' texts (ADR 0003): our own sentences cannot tell, they resemble each other.
SPREAD = 1.3


def temper(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Sharpen (below 1) or flatten (above 1) rows of probabilities."""
    if temperature == 1.0:
        return probabilities
    powers = np.power(np.maximum(probabilities, 1e-12), 1.0 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: mean gap between confidence and share right, by bin."""
    numbers = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[numbers == i].mean() - right[numbers == i].mean()) * (numbers == i).mean()
        for i in range(bins)
        if (numbers == i).any()
    ]
    return float(sum(gaps))


@dataclass
class Calibration:
    """Classes are named intent/item, or intent alone for talk, which has no items."""

    classes: list[str]
    temperature: float = 1.0
    spread: float = SPREAD
    sharpness: float = 1.0
    groups: np.ndarray = field(init=False)
    summing: np.ndarray = field(init=False)
    sides: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        bases = [name.partition("/")[0] for name in self.classes]
        intents = sorted(set(bases))
        matters = {name.partition("/")[0] for name in self.classes if "/" in name}
        self.groups = np.array([intents.index(base) for base in bases])
        self.summing = np.eye(len(intents), dtype=np.float32)[self.groups]
        is_matter = np.array([intent in matters for intent in intents])
        self.sides = np.stack([is_matter, ~is_matter], axis=1).astype(np.float32)

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Honest class probabilities (n, classes) from averaged ones of the same shape."""
        calm = temper(raw, self.temperature)
        plain = calm @ self.summing
        intents = self._intents(raw, plain)
        return calm * (intents / np.maximum(plain, 1e-12))[:, self.groups]

    def _intents(self, raw: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """Shares within a side, matters or talk; a side as a whole has what `plain` gives it."""
        intents = temper(temper(raw, self.spread) @ self.summing, self.sharpness)
        shares = (plain @ self.sides) / np.maximum(intents @ self.sides, 1e-12)
        return intents * (shares @ self.sides.T)

    def fit(self, held: np.ndarray, numbers: np.ndarray) -> dict[str, float]:
        """Choose temperature, then sharpness, on scores of sentences that were held back.

        `numbers` are their true classes. Returns how good the held-back readings are.
        """
        truth = self.groups[numbers]
        rows = np.arange(len(truth))

        def surprise(sums: np.ndarray) -> float:
            return float(-np.log(sums[rows, truth] + 1e-9).mean())

        def of_temperature(power: float) -> float:
            return surprise(temper(held, float(np.exp(power))) @ self.summing)

        def of_sharpness(power: float) -> float:
            self.sharpness = float(np.exp(power))
            return surprise(self(held) @ self.summing)

        options = {"bounds": (-2.0, 1.0), "method": "bounded", "options": {"maxiter": 25}}
        self.temperature = float(np.exp(minimize_scalar(of_temperature, **options).x))
        self.sharpness = float(np.exp(minimize_scalar(of_sharpness, **options).x))
        sums = self(held) @ self.summing
        right = sums.argmax(axis=1) == truth
        return {
            "held_intent_accuracy": float(right.mean()),
            "held_class_accuracy": float((held.argmax(axis=1) == numbers).mean()),
            "held_ece": calibration_error(sums.max(axis=1), right),
        }
