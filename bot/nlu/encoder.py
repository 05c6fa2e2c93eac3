"""Sentence vectors as a Rasa feature."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.featurizers.dense_featurizer.dense_featurizer import DenseFeaturizer
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from threadpoolctl import threadpool_limits

from bot.nlu.clauses import with_clauses
from bot.nlu.fingerprint import fingerprint, named_by_step
from bot.nlu.vectors import encode, encoder

PIECES = "pieces.npy"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class SentenceEncoder(DenseFeaturizer, GraphComponent):
    """Puts the vector of the whole text on a message, as a Rasa sentence feature.

    Nothing is learnt from the training sentences but which word pieces to have ready.
    """

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code changed."""
        return fingerprint()

    def __init__(
        self, config: dict[str, Any], name: str, storage: ModelStorage, resource: Resource
    ) -> None:
        super().__init__(name, config)
        self._storage, self._resource = storage, resource
        encode(["预热"])

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SentenceEncoder:
        """The encoder, which knows all it needs."""
        return cls(config, execution_context.node_name, model_storage, resource)

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Nothing can be set wrongly."""

    def train(self, training_data: TrainingData) -> Resource:
        """Note the common word pieces of the training sentences; a quarter of them tells."""
        texts = [message.get(TEXT) or "" for message in training_data.training_examples[::4]]
        with self._storage.write_to(self._resource) as folder:
            np.save(Path(folder) / PIECES, encoder().common(texts))
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> SentenceEncoder:
        """The encoder, so that its first messages take no longer than later ones."""
        component = cls.create(config, model_storage, resource, execution_context)
        with model_storage.read_from(resource) as folder:
            encoder().learn(np.load(Path(folder) / PIECES))
        return component

    @named_by_step
    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Encode every training sentence; two threads halve the longest part of training.

        In the order of the texts: the last bits of a vector depend on those it is made with.
        """
        examples = [message for message in training_data.training_examples if message.get(TEXT)]
        examples.sort(key=lambda message: str(message.get(TEXT)))
        middle = len(examples) // 2
        with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
            list(pool.map(self._encode, [examples[:middle], examples[middle:]]))
        return training_data

    def process(self, messages: list[Message]) -> list[Message]:
        """Encode messages and their clauses, in one batch."""
        self._encode(with_clauses(messages))
        return messages

    def _encode(self, messages: list[Message]) -> None:
        written = [message for message in messages if message.get(TEXT)]
        for message, vector in zip(written, encode([m.get(TEXT) for m in written]), strict=True):
            features = Features(vector[None, :], FEATURE_TYPE_SENTENCE, TEXT, self._identifier)
            message.add_features(features)
