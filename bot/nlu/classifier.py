"""What the message is about: intent, and service item within the intent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.featurizers.featurizer import Featurizer
from rasa.shared.nlu.constants import ENTITIES, FEATURE_TYPE_SENTENCE, INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.sparse import vstack

from bot.nlu.clauses import CLAUSES, with_clauses
from bot.nlu.fingerprint import fingerprint
from bot.nlu.linear import Ensemble, Matrix, fit_view

SERVICE_ITEM = "service_item"
MATTERS = "matters"
RANKING = 6


def view_features(messages: list[Message]) -> dict[str, Matrix]:
    """The sentence features of messages by view: all sparse ones, all dense ones."""
    views: dict[str, Matrix] = {}
    rows: dict[str, list[Any]] = {"counts": [], "vectors": []}
    for message in messages:
        parts = [
            f for f in message.features if f.attribute == TEXT and f.type == FEATURE_TYPE_SENTENCE
        ]
        sparse = [f.features for f in parts if f.is_sparse()]
        dense = [f.features for f in parts if f.is_dense()]
        rows["counts"] += sparse[:1]
        rows["vectors"] += [np.hstack(dense)] if dense else []
    if rows["counts"]:
        views["counts"] = vstack(rows["counts"]) if len(rows["counts"]) > 1 else rows["counts"][0]
    if rows["vectors"]:
        views["vectors"] = np.vstack(rows["vectors"])
    return views


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class MatterClassifier(IntentClassifier, GraphComponent):
    """Classes are intent/item pairs; an intent's probability is the sum over its items."""

    @classmethod
    def required_components(cls) -> list[type]:
        """Features of some kind."""
        return [Featurizer]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Regularisation by view (larger: trust the training sentences more)."""
        return {"strength": {"vectors": 10.0, "counts": 0.5}}

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code changed."""
        return fingerprint()

    def __init__(self, config: dict[str, Any], storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, storage, resource
        self._ensemble: Ensemble | None = None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> MatterClassifier:
        """An untrained classifier."""
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Fit one linear model a view."""
        examples = [m for m in training_data.intent_examples if m.get(TEXT)]
        labels = np.array([m.get_full_intent() for m in examples])
        classes = sorted(set(labels))
        numbers = np.searchsorted(classes, labels)
        views = [
            fit_view(name, features, numbers, self._config["strength"][name])
            for name, features in view_features(examples).items()
        ]
        with self._storage.write_to(self._resource) as folder:
            Ensemble(classes, views).save(Path(folder))
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> MatterClassifier:
        """The trained classifier."""
        component = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            component._attach(Ensemble.read(Path(folder)))
        return component

    def _attach(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        bases = [name.split("/")[0] for name in ensemble.classes]
        self._intents = sorted(set(bases))
        self._base = np.array([self._intents.index(base) for base in bases])

    def process(self, messages: list[Message]) -> list[Message]:
        """Set intent, ranking and service item on messages."""
        flat = [m for m in with_clauses(messages) if m.get(TEXT)]
        if not flat or self._ensemble is None:
            return messages
        for message, row in zip(flat, self._ensemble.probabilities(view_features(flat))):
            self._describe(message, row)
        for message in messages:
            message.set(MATTERS, [], add_to_output=True)
        return messages

    def _describe(self, message: Message, row: np.ndarray) -> None:
        base = np.zeros(len(self._intents))
        np.add.at(base, self._base, row)
        order = np.argsort(-base)[:RANKING]
        ranking = [{"name": self._intents[i], "confidence": float(base[i])} for i in order]
        message.set(INTENT, ranking[0], add_to_output=True)
        message.set("intent_ranking", ranking, add_to_output=True)
        items = self._items(row, order[0], base[order[0]])
        message.set(SERVICE_ITEM, items[0] if items else None, add_to_output=True)
        message.set("service_item_ranking", items, add_to_output=True)

    def _items(self, row: np.ndarray, intent: int, mass: float) -> list[dict[str, Any]]:
        columns = np.flatnonzero(self._base == intent)
        columns = columns[np.argsort(-row[columns])][:3]
        names = [(self._ensemble.classes[c].partition("/")[2], c) for c in columns]
        return [
            {"name": name, "confidence": float(row[c] / max(mass, 1e-9))}
            for name, c in names
            if name
        ]
