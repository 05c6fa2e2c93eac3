"""How many labels the review queue saves: our order beside random order (`make bench-learning`).

A file of real residents' titles plays the annotator: a label is read off when the queue asks for
it. A test part is split off first and is never labelled. The model is a softmax regression on the
product's sentence vectors, taught from nothing but those labels. Nothing learnt here is kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from bot.nlu.vectors import encode
from bot.training.ordering import pick

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT.parent / "shared" / "nlu-eval" / "taidi_weak_title.jsonl"
RESULT = ROOT / "bench" / "results" / "learning.json"
PAGE = 10
TEST_SHARE = 0.3
RANDOM_ORDERS = 5
# The quality to reach is what random order has when this share of the pool is labelled.
LEVELS = {"quarter": 0.25, "half": 0.5, "three_quarters": 0.75}
MAIN_LEVEL = "half"


@dataclass
class Split:
    """One division of the rows; the pool may be labelled, the test part only judges."""

    vectors: np.ndarray
    labels: np.ndarray
    pool: np.ndarray
    test: np.ndarray

    def learn(self, labelled: list[int]) -> LogisticRegression | None:
        """A model of the labelled rows; None while they show one class only."""
        if len(set(self.labels[labelled])) < 2:
            return None
        return LogisticRegression(C=5, max_iter=200).fit(
            self.vectors[labelled], self.labels[labelled]
        )

    def judge(self, model: LogisticRegression | None) -> float:
        """Macro-F1 on the test part."""
        if model is None:
            return 0.0
        guess = model.predict(self.vectors[self.test])
        return float(f1_score(self.labels[self.test], guess, average="macro"))


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and labels of the rows."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return encode([row["text"] for row in rows]), np.array([row["label"] for row in rows])


def split(vectors: np.ndarray, labels: np.ndarray, seed: int) -> Split:
    """A random division."""
    order = np.random.default_rng(seed).permutation(len(labels))
    cut = int(len(labels) * TEST_SHARE)
    return Split(vectors, labels, order[cut:], order[:cut])


def random_curve(data: Split, seed: int) -> list[float]:
    """Macro-F1 after each page in random order, the mean of several orders."""
    curves = []
    for number in range(RANDOM_ORDERS):
        order = list(np.random.default_rng([seed, number]).permutation(data.pool))
        ends = range(PAGE, len(order) + 1, PAGE)
        curves.append([data.judge(data.learn(order[:end])) for end in ends])
    return list(np.mean(curves, axis=0))


def queue_curve(data: Split) -> list[float]:
    """Macro-F1 after each page in the order of the review queue."""
    waiting, labelled, scores = list(data.pool), [], []
    model = None
    while len(waiting) >= PAGE:
        rows = data.vectors[waiting]
        value = np.ones(len(rows)) if model is None else 1 - model.predict_proba(rows).max(axis=1)
        places = pick(rows, value, data.vectors[labelled], PAGE)
        labelled += [waiting[place] for place in places]
        waiting = [row for place, row in enumerate(waiting) if place not in set(places)]
        model = data.learn(labelled)
        scores.append(data.judge(model))
    return scores


def labels_needed(curve: list[float], target: float) -> int:
    """Labels after which the curve stays at the target over three pages, not for one lucky page."""
    for place in range(len(curve)):
        if np.mean(curve[place : place + 3]) >= target:
            return (place + 1) * PAGE
    return len(curve) * PAGE


def compare(data: Split, seed: int) -> dict:
    """Both orders on one division, and the share of labels that ours needs."""
    chance, ours = random_curve(data, seed), queue_curve(data)
    result: dict = {"seed": seed, "random": _round(chance), "queue": _round(ours), "levels": {}}
    for name, share in LEVELS.items():
        target = float(np.mean(chance[int(len(chance) * share) - 1 :][:3]))
        needed = {"random": labels_needed(chance, target), "queue": labels_needed(ours, target)}
        ratio = round(needed["queue"] / needed["random"], 3)
        result["levels"][name] = {"macro_f1": round(target, 4), **needed, "ratio": ratio}
    return result


def _round(curve: list[float]) -> list[float]:
    return [round(float(value), 4) for value in curve]


def run(path: Path, seeds: int) -> dict:
    """The whole comparison."""
    vectors, labels = read(path)
    runs = [compare(split(vectors, labels, seed), seed) for seed in range(seeds)]
    ratios = {
        name: round(statistics.median(r["levels"][name]["ratio"] for r in runs), 3)
        for name in LEVELS
    }
    return {
        "label_ratio": ratios[MAIN_LEVEL],
        "label_ratio_by_level": ratios,
        "level": f"macro-F1 of random order at {MAIN_LEVEL} of the pool",
        "rows": len(labels),
        "classes": sorted(set(labels)),
        "page": PAGE,
        "random_orders": RANDOM_ORDERS,
        "runs": runs,
    }


def main() -> None:
    """Command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("path", nargs="?", type=Path, default=DEFAULT, help="labelled JSON lines")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--out", type=Path, default=RESULT)
    chosen = options.parse_args()
    result = run(chosen.path, chosen.seeds)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(f"label_ratio {result['label_ratio']} {result['label_ratio_by_level']} -> {chosen.out}")


if __name__ == "__main__":
    main()
