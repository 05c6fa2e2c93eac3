"""Two views of a message, averaged and calibrated: what it means, and how it is written.

Sense is a softmax regression on the sentence vector and the word groups. Words is a linear support
vector machine on all counts. What one misreads the other seldom does, and each is cheap.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from bot.nlu import FORMAT
from bot.nlu.calibration import Calibration

Blocks = dict[str, "np.ndarray | csr_matrix"]
Fitted = tuple[np.ndarray, np.ndarray]
HELD_BACK = 0.25
CALIBRATED = ("temperature", "spread", "sharpness")
EMERGENCY = "emergency"
ALARM_WEIGHT = 10.0
WORKERS = 2
# The blocks of sense. A word group counts less than the sentence vector, whose length is 1.
SCALES = {"vector": 1.0, "lexicon": 0.2}
COUNTS = "counts"
VIEWS = ("sense", "words", "alarm")
# Chosen on residents' texts (ADR 0003): the share of sense, and what makes margins of words as
# sure as the probabilities of sense.
SENSE = 2 / 3
MARGIN = 10.0


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores along the last axis as probabilities."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


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


def join(blocks: Blocks) -> np.ndarray:
    """The dense blocks side by side, on comparable scales (n, features)."""
    parts = [
        np.asarray(blocks[name], np.float32) * SCALES[name] for name in SCALES if name in blocks
    ]
    return np.hstack(parts)


@dataclass
class Linear:
    """Scores of rows: weights (features, classes) and a bias of each class."""

    weights: np.ndarray
    bias: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Scores (n, classes) of dense rows."""
        return rows @ self.weights + self.bias

    def margins(self, rows: csr_matrix) -> np.ndarray:
        """Scores (n, classes) of sparse rows; the weights stay in half precision in memory."""
        found = np.empty((rows.shape[0], len(self.bias)), np.float32)
        for i in range(rows.shape[0]):
            span = slice(rows.indptr[i], rows.indptr[i + 1])
            found[i] = rows.data[span] @ self.weights[rows.indices[span]].astype(np.float32)
        return found + self.bias


@dataclass
class Ensemble:
    """Two views of a message, averaged and calibrated; `classes` names the columns.

    `sense` reads what a text means (vector, word groups), `words` how it is written (counts);
    `alarm` has two columns, of which the second is danger. A view is None without its features.
    """

    classes: list[str]
    sense: Linear | None
    words: Linear | None
    alarm: Linear | None
    calibration: Calibration
    report: dict[str, float] = field(default_factory=dict)

    def probabilities(self, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated probabilities (n, classes), and how alarming each text is (n), 0 to 1."""
        mean = self.average(blocks)
        alarming = softmax(self.alarm.scores(join(blocks)))[:, 1] if self.alarm else None
        return self.calibration(mean), np.zeros(len(mean)) if alarming is None else alarming

    def average(self, blocks: Blocks) -> np.ndarray:
        """Class probabilities (n, classes) of both views, as they are."""
        sense = softmax(self.sense.scores(join(blocks))) if self.sense else None
        words = softmax(self.words.margins(blocks[COUNTS]) * MARGIN) if self.words else None
        if words is None:
            if sense is None:
                raise ValueError("a model that was trained without features cannot read")
            return sense
        return words if sense is None else SENSE * sense + (1 - SENSE) * words

    def save(self, folder: Path) -> None:
        """Write to `folder` without pickles; half precision changes no decision and halves it."""
        arrays: dict[str, np.ndarray] = {}
        for name in VIEWS:
            view = getattr(self, name)
            if view:
                arrays[f"weights_{name}"] = view.weights.astype(np.float16)
                arrays[f"bias_{name}"] = view.bias
        # Packed here: Rasa would pack it as tightly as can be, for 2 % less and eight seconds more.
        np.savez_compressed(folder / "ensemble.npz", **arrays)
        meta = {
            "format": FORMAT,
            "classes": self.classes,
            "calibration": [getattr(self.calibration, name) for name in CALIBRATED],
            "report": self.report,
        }
        (folder / "ensemble.json").write_text(json.dumps(meta, ensure_ascii=False), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Ensemble:
        """Read what `save` wrote."""
        meta = json.loads((folder / "ensemble.json").read_text("utf-8"))
        if meta.get("format") != FORMAT:
            raise ValueError("这个模型是另一版程序训练的，请运行 python -m bot train 重新训练")
        views: dict[str, Linear | None] = dict.fromkeys(VIEWS)
        with np.load(folder / "ensemble.npz") as file:
            for name in VIEWS:
                if f"weights_{name}" in file.files:
                    views[name] = Linear(file[f"weights_{name}"], file[f"bias_{name}"])
        for name in ("sense", "alarm"):
            view = views[name]
            if view:
                view.weights = view.weights.astype(np.float32)
        calibration = Calibration(meta["classes"], *meta["calibration"])
        return cls(meta["classes"], **views, calibration=calibration, report=meta["report"])


def fit_margins(rows: csr_matrix, labels: np.ndarray, classes: int, penalty: float) -> Fitted:
    """Weights (features, classes) and bias of a linear support vector machine, one against rest."""
    svm = LinearSVC(C=penalty, tol=0.01, random_state=0).fit(rows, labels)
    weights, bias = svm.coef_.T, svm.intercept_
    if len(svm.classes_) == 2:  # which sklearn has as one column
        weights, bias = np.hstack([-weights, weights]), np.concatenate([-bias, bias])
    found = np.zeros((rows.shape[1], classes), np.float32), np.full(classes, -1.0, np.float32)
    found[0][:, svm.classes_], found[1][svm.classes_] = weights, bias
    return found


def train(
    blocks: Blocks, labels: list[str], strength: float, penalty: float, steps: int
) -> Ensemble:
    """Fit both views on all rows, and the calibration on a quarter that other fits did not see.

    `labels` are classes, intent/item or a bare intent. `strength` of sense and `penalty` of words
    say how far the training sentences are trusted, `steps` how long sense is fitted.
    """
    classes = sorted(set(labels))
    numbers = np.searchsorted(classes, labels)
    inside, outside = _split(numbers)
    dense = join(blocks) if SCALES.keys() & blocks.keys() else None
    counts = blocks.get(COUNTS) if len(classes) > 1 else None

    def words() -> tuple[Linear | None, Linear | None]:
        if counts is None:
            return None, None
        # One after the other: liblinear draws from one generator of the whole process.
        part, whole = (
            Linear(*fit_margins(counts[rows], numbers[rows], len(classes), penalty))
            for rows in (inside, np.arange(len(numbers)))
        )
        return part, whole

    def sense() -> tuple[Linear | None, Linear | None]:
        if dense is None:
            return None, None
        part = fit_softmax(dense[inside], numbers[inside], len(classes), strength, steps)
        # On all rows from where the three quarters ended, half the steps lead as far.
        whole = fit_softmax(dense, numbers, len(classes), strength, steps // 2, start=part)
        return Linear(*part), Linear(*whole)

    # The same sentences make the same model, bit by bit: sums of two BLAS threads would not.
    with threadpool_limits(1), ThreadPoolExecutor(WORKERS) as pool:
        by_words, by_sense = pool.submit(words), pool.submit(sense)
        alarm = pool.submit(_fit_alarm, dense, labels, steps)
        (part_words, whole_words), (part_sense, whole_sense) = by_words.result(), by_sense.result()
        calibration = Calibration(classes)
        ensemble = Ensemble(classes, whole_sense, whole_words, alarm.result(), calibration)
        held = Ensemble(classes, part_sense, part_words, None, Calibration(classes))
    if len(outside):
        seen = {name: block[outside] for name, block in blocks.items()}
        ensemble.report = calibration.fit(held.average(seen), numbers[outside])
    return ensemble


def _fit_alarm(dense: np.ndarray | None, labels: list[str], steps: int) -> Linear | None:
    """Emergency or not, from sense; a missed emergency costs ten false alarms."""
    truth = np.array([label.partition("/")[0] == EMERGENCY for label in labels])
    if dense is None or not truth.any() or truth.all():
        return None
    importance = np.where(truth, ALARM_WEIGHT, 1.0)
    return Linear(*fit_softmax(dense, truth.astype(int), 2, 3.0, steps, importance))


def _split(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit on and rows to hold back, alike in classes; none held back of a tiny corpus."""
    rows = np.arange(len(numbers))
    if np.bincount(numbers).min() < 2 or len(numbers) * HELD_BACK < numbers.max() + 1:
        return rows, rows[:0]
    inside, outside = train_test_split(rows, test_size=HELD_BACK, stratify=numbers, random_state=0)
    return inside, outside
