"""Classifiers on the same features of the same sentences: `python -m bench.classifiers [MODEL]`.

Features come from a trained model's own components; every classifier is fitted anew on data/nlu,
calibrated on a quarter held back, and scored on the sets of `bench.nlu`. Prints a Markdown table
and writes bench/results/classifiers.md. DIET needs a pipeline of its own: see `bench.nlu`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from bench.nlu_sets import all_sets
from bot.nlu.calibration import Calibration
from bot.nlu.classifier import MatterClassifier, blocks_of
from bot.nlu.linear import MARGIN, SCALES, SENSE, fit_margins, fit_softmax, softmax
from bot.nlu.reading import Reader
from bot.training.corpus import read_corpus
from bot.training.nlu_model import NluModel
from bot.training.scores import outcome, score

Features = dict[str, "np.ndarray | csr_matrix"]
Predict = Callable[[Features], np.ndarray]
Fit = Callable[[Features, np.ndarray, int], Predict]
RESULT = Path("bench/results/classifiers.md")
CONFIG = MatterClassifier.get_default_config()
DIRECTIONS = 300


def join(rows: Features, blocks: list[str]) -> np.ndarray:
    """The named dense blocks side by side."""
    return np.hstack([rows[name] for name in blocks])


def regression(*blocks: str) -> Fit:
    """Softmax regression on blocks side by side."""

    def fit(rows: Features, numbers: np.ndarray, classes: int) -> Predict:
        weights, bias = fit_softmax(
            join(rows, list(blocks)), numbers, classes, CONFIG["strength"], CONFIG["steps"]
        )
        return lambda new: softmax(join(new, list(blocks)) @ weights + bias)

    return fit


def machine(*blocks: str) -> Fit:
    """Linear support vector machine; its margins become probabilities by calibration."""

    def fit(rows: Features, numbers: np.ndarray, classes: int) -> Predict:
        def table(of: Features) -> np.ndarray | csr_matrix:
            return of["tfidf"] if blocks == ("tfidf",) else join(of, list(blocks))

        weights, bias = fit_margins(table(rows), numbers, classes, CONFIG["penalty"])
        return lambda new: softmax(MARGIN * (table(new) @ weights + bias))

    return fit


def neighbours(rows: Features, numbers: np.ndarray, classes: int) -> Predict:
    """Fifteen nearest sentence vectors, weighted by nearness."""
    knn = KNeighborsClassifier(15, weights="distance").fit(rows["vector"], numbers)
    return lambda new: knn.predict_proba(new["vector"])


def centroids(rows: Features, numbers: np.ndarray, classes: int) -> Predict:
    """Likeness to the mean vector of each class."""
    means = np.vstack([rows["vector"][numbers == c].mean(axis=0) for c in range(classes)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return lambda new: softmax(20 * (new["vector"] @ means.T))


def network(rows: Features, numbers: np.ndarray, classes: int) -> Predict:
    """One hidden layer of 256 units on everything."""
    names = ["vector", "lexicon", "counts"]
    net = MLPClassifier(256, early_stopping=True, random_state=1).fit(join(rows, names), numbers)
    return lambda new: net.predict_proba(join(new, names))


def average(*parts: Fit, weights: tuple[float, ...] | None = None) -> Fit:
    """The mean of several classifiers' probabilities."""

    def fit(rows: Features, numbers: np.ndarray, classes: int) -> Predict:
        fitted = [part(rows, numbers, classes) for part in parts]
        return lambda new: np.average([p(new) for p in fitted], axis=0, weights=weights)

    return fit


MEANING, REDUCED = regression("vector", "lexicon"), regression("vector", "lexicon", "counts")
WRITING = machine("tfidf")
CLASSIFIERS: dict[str, Fit] = {
    "softmax regression, vectors": regression("vector"),
    "softmax regression, vectors + word groups (sense)": MEANING,
    "softmax regression, counts in 300 directions + word groups": regression("lexicon", "counts"),
    "softmax regression, vectors + word groups + directions": REDUCED,
    "linear SVM, counts (words)": WRITING,
    "linear SVM, vectors + word groups": machine("vector", "lexicon"),
    "15 nearest neighbours, vectors": neighbours,
    "centroids, vectors": centroids,
    "network of 256 units, all": network,
    "sense + directions (kept before)": average(MEANING, REDUCED),
    "sense + words": average(MEANING, WRITING),
    "2 sense + words (kept)": average(MEANING, WRITING, weights=(SENSE, 1 - SENSE)),
    "sense + directions + words": average(MEANING, REDUCED, WRITING),
    "sense + words + network": average(MEANING, WRITING, network),
}


def part(rows: Features, chosen: np.ndarray) -> Features:
    """Some rows of all blocks."""
    return {name: block[chosen] for name, block in rows.items()}


def calibrated(
    fit: Fit, rows: Features, numbers: np.ndarray, classes: list[str]
) -> tuple[Predict, float]:
    """The classifier on all rows, with probabilities fitted on a quarter; and the seconds."""
    every = np.arange(len(numbers))
    inside, outside = train_test_split(every, test_size=0.25, stratify=numbers, random_state=0)
    calibration = Calibration(classes)
    held = fit(part(rows, inside), numbers[inside], len(classes))(part(rows, outside))
    calibration.fit(held, numbers[outside])
    began = time.perf_counter()
    predict = fit(rows, numbers, len(classes))
    return lambda new: calibration(predict(new)), time.perf_counter() - began


def readings(probabilities: np.ndarray, reader: Reader) -> list[dict]:
    """What the dialogue would hear, as far as scores need it."""
    found = []
    for row in probabilities:
        best = reader.read(row, 0.0)
        sure = best.confidence >= CONFIG["threshold"]
        fallback = {"name": "nlu_fallback", "confidence": 1 - best.confidence}
        found.append({"intent": best.ranking[0] if sure else fallback})
    return found


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="models", help="模型文件或文件夹")
    model = NluModel.newest(parser.parse_args().model)
    corpus = read_corpus()
    labels = [sentence.intent for sentence in corpus]
    classes = sorted(set(labels))
    numbers = np.searchsorted(classes, labels)
    blocks = blocks_of(model.featurise([sentence.text for sentence in corpus]))
    svd = TruncatedSVD(DIRECTIONS, n_iter=2, random_state=1).fit(blocks["counts"])

    def features(found: Features) -> Features:
        reduced = svd.transform(found["counts"])
        reduced /= np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-6)
        dense = {name: found[name] * scale for name, scale in SCALES.items()}
        return {**dense, "counts": reduced, "tfidf": csr_matrix(found["counts"])}

    sets = all_sets()
    rows = features(blocks)
    asked = {
        name: features(blocks_of(model.featurise([row["text"] for row in of])))
        for name, of in sets.items()
    }
    reader = Reader(classes, CONFIG)
    lines = ["| classifier | " + " | ".join(sets) + " | fit s |", "|---" * (len(sets) + 2) + "|"]
    for name, fit in CLASSIFIERS.items():
        predict, seconds = calibrated(fit, rows, numbers, classes)
        cells = []
        for label, of in sets.items():
            heard = readings(predict(asked[label]), reader)
            figures = score([outcome(row, parse) for row, parse in zip(of, heard, strict=True)])
            if figures["false_ticket_rate"] is not None:
                cells.append(f"ft {figures['false_ticket_rate']:.3f}")
            else:
                keys = ("accept", "primary", "macro_f1")
                cells.append(" / ".join(f"{figures[key]:.3f}" for key in keys))
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {seconds:.1f} |")
        print(lines[-1], flush=True)
    note = (
        f"{len(corpus)} sentences, {len(classes)} classes. Cells: accept / primary / macro-F1, or "
        "the false-ticket rate. Labels of residents' texts were made by language models; no person "
        "has checked them."
    )
    RESULT.write_text("\n".join([*lines, "", note, ""]), "utf-8")


if __name__ == "__main__":
    main()
