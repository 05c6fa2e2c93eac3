"""Softmax regressions over several views of a message, averaged and calibrated.

A view is a choice of feature blocks (sentence vector, word groups, counts) laid side by side.
Counts are reduced to a few hundred directions first, so each view is a small dense matrix.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, issparse
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import train_test_split

from bot.nlu.calibration import Calibration

Blocks = dict[str, "np.ndarray | csr_matrix"]
Fitted = tuple[np.ndarray, np.ndarray]
HELD_BACK = 0.25
CALIBRATED = ("temperature", "spread", "sharpness")
EMERGENCY = "emergency"
ALARM_WEIGHT = 10.0
WORKERS = 2
# A word group counts less than the sentence vector, whose length is 1.
SCALES = {"lexicon": 0.3}


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores along the last axis as probabilities."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def project(rows: csr_matrix, directions: np.ndarray | None) -> np.ndarray:
    """Sparse rows times directions; these may be in half precision, which halves their memory."""
    if directions is None:
        raise ValueError("counts met a model that was trained without counts")
    found = np.zeros((rows.shape[0], directions.shape[1]), np.float32)
    for i in range(rows.shape[0]):
        span = slice(rows.indptr[i], rows.indptr[i + 1])
        found[i] = rows.data[span] @ directions[rows.indices[span]].astype(np.float32)
    return found


@dataclass
class Reducer:
    """Turns blocks into dense rows; holds the directions onto which counts are projected."""

    directions: np.ndarray | None = None

    @classmethod
    def fit(cls, blocks: Blocks, size: int) -> Reducer:
        """Learn the directions from the training counts, if there are counts."""
        counts = next((block for block in blocks.values() if issparse(block)), None)
        if counts is None:
            return cls()
        size = min(size, *(n - 1 for n in counts.shape))
        svd = TruncatedSVD(size, n_iter=2, random_state=1).fit(counts)
        return cls(np.ascontiguousarray(svd.components_.T.astype(np.float32)))

    def dense(self, blocks: Blocks) -> dict[str, np.ndarray]:
        """Blocks as dense rows on comparable scales."""
        return {
            name: _unit(project(block, self.directions))
            if issparse(block)
            else np.asarray(block, np.float32) * SCALES.get(name, 1.0)
            for name, block in blocks.items()
        }


def fit_softmax(
    rows: np.ndarray,
    labels: np.ndarray,
    classes: int,
    strength: float,
    steps: int,
    importance: np.ndarray | None = None,
    start: Fitted | None = None,
) -> Fitted:
    """Weights (features, classes) and bias of an L2-regularised softmax regression (L-BFGS).

    `importance` says how many times each row counts; `start` is where to begin, else at zero.
    """
    count, width = rows.shape
    truth = np.zeros((count, classes), np.float32)
    truth[np.arange(count), labels] = 1.0
    times = np.ones(count, np.float32) if importance is None else importance.astype(np.float32)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(width + 1, classes).astype(np.float32)
        scores = rows @ weights[:width] + weights[width]
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[np.arange(count), labels]
        powers = np.exp(scores)
        totals = powers.sum(axis=1, keepdims=True)
        value = float(((np.log(totals[:, 0]) - right) * times).sum()) * strength
        error = (powers / totals - truth) * (times[:, None] * np.float32(strength))
        gradient = np.vstack([rows.T @ error + weights[:width], error.sum(axis=0)])
        return value + 0.5 * float((weights[:width] ** 2).sum()), gradient.ravel().astype(
            np.float64
        )

    first = np.zeros((width + 1, classes)) if start is None else np.vstack(start).astype(float)
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": steps})
    solution = found.x.reshape(width + 1, classes).astype(np.float32)
    return solution[:width], solution[width]


@dataclass
class View:
    """One trained regression over the named blocks."""

    blocks: list[str]
    weights: np.ndarray
    bias: np.ndarray

    def probabilities(self, dense: dict[str, np.ndarray]) -> np.ndarray:
        """Class probabilities (n, classes)."""
        return softmax(self.scores(dense))

    def scores(self, dense: dict[str, np.ndarray]) -> np.ndarray:
        """Scores (n, classes)."""
        return join(dense, self.blocks) @ self.weights + self.bias


def side_by_side(views: list[View], dense: dict[str, np.ndarray]) -> View:
    """One view whose columns are those of all, for one product a message in place of three."""
    names = list(dict.fromkeys(name for view in views for name in view.blocks))
    columns = []
    for view in views:
        ends = np.cumsum([dense[name].shape[1] for name in view.blocks])[:-1]
        parts = dict(zip(view.blocks, np.split(view.weights, ends), strict=True))
        width = view.weights.shape[1]
        columns.append(
            np.vstack([parts.get(n, np.zeros((dense[n].shape[1], width))) for n in names])
        )
    weights = np.hstack(columns).astype(np.float32)
    return View(names, weights, np.concatenate([view.bias for view in views]))


def join(dense: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    """The named blocks side by side."""
    return np.hstack([dense[name] for name in names])


@dataclass
class Ensemble:
    """The calibrated average of the views; `classes` names the columns."""

    classes: list[str]
    reducer: Reducer
    views: list[View]
    calibration: Calibration
    alarm: View | None = None
    report: dict[str, float] = field(default_factory=dict)
    _joint: View | None = field(default=None, repr=False)

    def probabilities(self, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated probabilities (n, classes), and how alarming each text is (n), 0 to 1."""
        dense = self.reducer.dense(blocks)
        if self._joint is None:
            self._joint = side_by_side(self._all_views(), dense)
        scores = self._joint.scores(dense)
        shape = (len(scores), len(self.views), len(self.classes))
        ends = shape[1] * shape[2]
        mean = softmax(scores[:, :ends].reshape(shape)).mean(axis=1)
        alarm = softmax(scores[:, ends:])[:, 1] if self.alarm else np.zeros(len(mean))
        return self.calibration(mean), alarm

    def save(self, folder: Path) -> None:
        """Write to `folder` without pickles; half precision changes no decision and halves it."""
        arrays: dict[str, np.ndarray] = {}
        for number, view in enumerate(self._all_views()):
            arrays[f"weights{number}"] = view.weights.astype(np.float16)
            arrays[f"bias{number}"] = view.bias
        if self.reducer.directions is not None:
            arrays["directions"] = self.reducer.directions.astype(np.float16)
        np.savez(folder / "ensemble.npz", **arrays)
        meta = {
            "classes": self.classes,
            "views": [view.blocks for view in self._all_views()],
            "alarm": self.alarm is not None,
            "calibration": [getattr(self.calibration, name) for name in CALIBRATED],
            "report": self.report,
        }
        (folder / "ensemble.json").write_text(json.dumps(meta, ensure_ascii=False), "utf-8")

    def _all_views(self) -> list[View]:
        return [*self.views, self.alarm] if self.alarm else self.views

    @classmethod
    def read(cls, folder: Path) -> Ensemble:
        """Read what `save` wrote."""
        meta = json.loads((folder / "ensemble.json").read_text("utf-8"))
        with np.load(folder / "ensemble.npz") as file:
            arrays = {name: file[name] for name in file.files}
        views = [
            View(blocks, arrays[f"weights{i}"].astype(np.float32), arrays[f"bias{i}"])
            for i, blocks in enumerate(meta["views"])
        ]
        alarm = views.pop() if meta["alarm"] else None
        reducer = Reducer(arrays.get("directions"))
        # Models from before the spread behave as ever: one temperature for everything.
        numbers = meta.get("calibration") or [meta["temperature"], meta["temperature"], 1.0]
        calibration = Calibration(meta["classes"], *numbers)
        return cls(meta["classes"], reducer, views, calibration, alarm, meta["report"])


def train(
    blocks: Blocks,
    labels: list[str],
    views: dict[str, dict],
    size: int,
    steps: int,
) -> Ensemble:
    """Fit all views: on three quarters for the calibration, and from there on all rows.

    `labels` are classes, intent/item or a bare intent.
    `views` maps a name to {"blocks": […], "strength": C}.
    """
    classes = sorted(set(labels))
    numbers = np.searchsorted(classes, labels)
    inside, outside = _split(numbers)
    plans = [([b for b in v["blocks"] if b in blocks], v["strength"]) for v in views.values()]
    plans = [plan for plan in plans if plan[0]]

    def fit(plan: tuple[list[str], float], dense: dict[str, np.ndarray]) -> tuple[View, View]:
        names, strength = plan
        rows, count = join(dense, names), len(classes)
        part = fit_softmax(rows[inside], numbers[inside], count, strength, steps)
        whole = fit_softmax(rows, numbers, count, strength, steps // 2, start=part)
        return View(names, *part), View(names, *whole)

    counts = {name: block for name, block in blocks.items() if issparse(block)}
    dense = Reducer().dense({name: blocks[name] for name in blocks if name not in counts})
    with ThreadPoolExecutor(WORKERS) as pool:
        # What needs no counts is fitted while the directions of the counts are sought.
        early = [plan for plan in plans if not counts.keys() & set(plan[0])]
        jobs = {id(plan): pool.submit(fit, plan, dict(dense)) for plan in early}
        reducer = Reducer.fit(blocks, size)
        dense |= reducer.dense(counts)
        jobs |= {id(plan): pool.submit(fit, plan, dense) for plan in plans if id(plan) not in jobs}
        alarm = pool.submit(_fit_alarm, dense, plans, labels, steps)
        parts, wholes = zip(*(jobs[id(plan)].result() for plan in plans), strict=True)
        ensemble = Ensemble(classes, reducer, list(wholes), Calibration(classes), alarm.result())
    if len(outside):
        seen = {name: block[outside] for name, block in dense.items()}
        held = np.mean([view.probabilities(seen) for view in parts], axis=0)
        ensemble.report = ensemble.calibration.fit(held, numbers[outside])
    return ensemble


def _fit_alarm(
    dense: dict[str, np.ndarray],
    plans: list[tuple[list[str], float]],
    labels: list[str],
    steps: int,
) -> View | None:
    """Emergency or not, on the first view; a missed emergency costs ten false alarms."""
    truth = np.array([label.partition("/")[0] == EMERGENCY for label in labels])
    if not truth.any() or truth.all():
        return None
    blocks = plans[0][0]
    importance = np.where(truth, ALARM_WEIGHT, 1.0)
    rows = join(dense, blocks)
    return View(blocks, *fit_softmax(rows, truth.astype(int), 2, 3.0, steps, importance))


def _split(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit on and rows to hold back, alike in classes; none held back of a tiny corpus."""
    rows = np.arange(len(numbers))
    if np.bincount(numbers).min() < 2 or len(numbers) * HELD_BACK < numbers.max() + 1:
        return rows, rows[:0]
    inside, outside = train_test_split(rows, test_size=HELD_BACK, stratify=numbers, random_state=0)
    return inside, outside
