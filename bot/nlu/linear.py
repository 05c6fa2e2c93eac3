"""Linear scores of several views of a message, made into one calibrated distribution."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

Matrix = np.ndarray | csr_matrix


def softmax(scores: np.ndarray) -> np.ndarray:
    """Rows of scores as rows of probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@dataclass
class View:
    """One linear model over one kind of features."""

    name: str
    weights: np.ndarray
    bias: np.ndarray
    sharpness: float = 1.0

    def probabilities(self, features: Matrix) -> np.ndarray:
        """Class probabilities (n, classes) of feature rows."""
        return softmax((features @ self.weights + self.bias) * self.sharpness)


def fit_view(name: str, features: Matrix, labels: np.ndarray, strength: float) -> View:
    """Train one view: a linear SVM on sparse features, logistic regression on dense ones."""
    if issparse(features):
        model = LinearSVC(C=strength, class_weight="balanced", random_state=1).fit(features, labels)
        sharpness = 4.0
    else:
        model = LogisticRegression(C=strength, max_iter=120, random_state=1).fit(features, labels)
        sharpness = 1.0
    weights = np.ascontiguousarray(model.coef_.T.astype(np.float32))
    return View(name, weights, model.intercept_.astype(np.float32), sharpness)


@dataclass
class Ensemble:
    """The average of the views; `classes` names the columns."""

    classes: list[str]
    views: list[View]

    def probabilities(self, features: dict[str, Matrix]) -> np.ndarray:
        """Probabilities (n, classes) from the features of each view, by name."""
        return np.mean([v.probabilities(features[v.name]) for v in self.views], axis=0)

    def save(self, folder: Path) -> None:
        """Write to `folder` without pickles; half precision changes no decision and halves it."""
        meta = {
            "classes": self.classes,
            "views": [{"name": v.name, "sharpness": v.sharpness} for v in self.views],
        }
        (folder / "ensemble.json").write_text(json.dumps(meta, ensure_ascii=False), "utf-8")
        arrays = {f"{v.name}.weights": v.weights.astype(np.float16) for v in self.views}
        arrays |= {f"{v.name}.bias": v.bias for v in self.views}
        np.savez_compressed(folder / "ensemble.npz", **arrays)

    @classmethod
    def read(cls, folder: Path) -> Ensemble:
        """Read what `save` wrote."""
        meta = json.loads((folder / "ensemble.json").read_text("utf-8"))
        with np.load(folder / "ensemble.npz") as arrays:
            views = [
                View(
                    view["name"],
                    arrays[f"{view['name']}.weights"].astype(np.float32),
                    arrays[f"{view['name']}.bias"],
                    view["sharpness"],
                )
                for view in meta["views"]
            ]
        return cls(meta["classes"], views)
