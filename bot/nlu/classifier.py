"""What a message is about: intent, service item within the intent, and separate matters."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.featurizers.featurizer import Featurizer
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.sparse import vstack

from bot.nlu.clauses import with_clauses
from bot.nlu.fingerprint import fingerprint
from bot.nlu.linear import Blocks, Ensemble, train
from bot.nlu.reading import READING, Reader

logger = logging.getLogger(__name__)


def blocks_of(messages: list[Message]) -> Blocks:
    """The sentence features of messages: `vector`, `lexicon` and `counts`, those that are there."""
    rows: dict[str, list[Any]] = {}
    for message in messages:
        for feature in message.features:
            if feature.attribute == TEXT and feature.type == FEATURE_TYPE_SENTENCE:
                rows.setdefault(_block_name(feature), []).append(feature.features)
    return {
        name: np.vstack(parts) if name != "counts" else vstack(parts) if parts[1:] else parts[0]
        for name, parts in rows.items()
    }


def _block_name(feature: Any) -> str:
    if feature.is_sparse():
        return "counts"
    return "lexicon" if "Lexicon" in str(feature.origin) else "vector"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class MatterClassifier(IntentClassifier, GraphComponent):
    """Classes are intent/item pairs; an intent's probability is the sum over its items."""

    @classmethod
    def required_components(cls) -> list[type]:
        """Features of some kind."""
        return [Featurizer]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """How far each view trusts the training sentences (larger: more), and thresholds."""
        return {
            "strength": 10.0,
            "penalty": 2.0,
            "steps": 40,
            "matter_mass": 0.4,
            "threshold": 0.25,
            "clause_confidence": 0.6,
        }

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code changed."""
        return fingerprint()

    def __init__(self, config: dict[str, Any], storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, storage, resource
        self._ensemble: Ensemble | None = None
        self._reader: Reader | None = None

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
        """Fit and calibrate both views; in which order the sentences come makes no difference."""
        examples = [m for m in training_data.intent_examples if m.get(TEXT)]
        examples.sort(key=lambda m: (m.get(TEXT), m.get_full_intent()))
        labels = [m.get_full_intent() for m in examples]
        config = self._config
        ensemble = train(
            blocks_of(examples), labels, config["strength"], config["penalty"], config["steps"]
        )
        logger.info("Trained on %d sentences: %s", len(labels), ensemble.report)
        with self._storage.write_to(self._resource) as folder:
            ensemble.save(Path(folder))
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
            component._ensemble = Ensemble.read(Path(folder))
        component._reader = Reader(component._ensemble.classes, config)
        return component

    def process(self, messages: list[Message]) -> list[Message]:
        """Set intent, ranking, service item and matters on messages."""
        flat = [m for m in with_clauses(messages) if m.get(TEXT) and m.features]
        if not flat or self._ensemble is None or self._reader is None:
            return messages
        rows, alarms = self._ensemble.probabilities(blocks_of(flat))
        for message, row, alarm in zip(flat, rows, alarms, strict=True):
            message.set(READING, self._reader.read(row, alarm))
        for message in messages:
            if message.get(READING):
                for key, value in self._reader.output(message).items():
                    message.set(key, value, add_to_output=True)
        return messages
