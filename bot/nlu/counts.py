"""Counts of characters, words and their neighbours, weighted by rarity (TF-IDF)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from copy import copy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.constants import TOKENS_NAMES
from rasa.nlu.featurizers.sparse_featurizer.sparse_featurizer import SparseFeaturizer
from rasa.nlu.tokenizers.tokenizer import Tokenizer
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.sparse import csr_matrix

from bot.nlu.clauses import with_clauses
from bot.nlu.fingerprint import fingerprint, named_by_step

_DIGITS = re.compile(r"\d+")


def grams(text: str, words: list[str], longest: int) -> list[str]:
    """Character n-grams up to `longest`, words, and neighbouring words; numbers are all alike."""
    chars = "^" + _DIGITS.sub("0", text) + "$"
    found = [chars[i : i + n] for n in range(1, longest + 1) for i in range(len(chars) - n + 1)]
    plain = ["0" if word.isdigit() else word for word in words]
    found += [f"w:{word}" for word in plain]
    found += [f"b:{left} {right}" for left, right in pairwise(plain)]
    return found


class Vocabulary:
    """The n-grams kept from training, with their inverse document frequency."""

    def __init__(self, index: dict[str, int], idf: np.ndarray, longest: int) -> None:
        self.index, self.idf, self.longest = index, idf, longest
        self._none = csr_matrix((1, len(index)), dtype=np.float32)

    @classmethod
    def fit(
        cls, documents: Iterable[tuple[str, list[str]]], longest: int, least: int
    ) -> Vocabulary:
        """Keep the n-grams that stand in at least `least` documents."""
        frequency: Counter[str] = Counter()
        total = 0
        for text, words in documents:
            frequency.update(set(grams(text, words, longest)))
            total += 1
        kept = sorted(gram for gram, count in frequency.items() if count >= least)
        counts = np.array([frequency[gram] for gram in kept], np.float64)
        idf = (np.log((1 + total) / (1 + counts)) + 1).astype(np.float32)
        return cls({gram: i for i, gram in enumerate(kept)}, idf, longest)

    def row(self, text: str, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Columns and unit-length weights of one document."""
        index = self.index
        counts = Counter(
            i for g in grams(text, words, self.longest) if (i := index.get(g)) is not None
        )
        columns = np.fromiter(counts, np.int32, len(counts))
        values = np.fromiter(counts.values(), np.float32, len(counts))
        values = (1 + np.log(values)) * self.idf[columns]
        length = float(np.sqrt(values @ values)) or 1.0
        return columns, values / length

    def matrix(self, text: str, words: list[str]) -> csr_matrix:
        """One document as a sparse matrix of one row."""
        columns, values = self.row(text, words)
        # A copy that is given its arrays: to be made and checked anew takes six times as long.
        matrix = copy(self._none)
        matrix.data, matrix.indices = values, columns
        matrix.indptr = np.array([0, len(columns)], np.int32)
        return matrix

    def save(self, folder: Path) -> None:
        """Write to `folder`."""
        data = {"longest": self.longest, "grams": list(self.index)}
        (folder / "vocabulary.json").write_text(json.dumps(data, ensure_ascii=False), "utf-8")
        np.save(folder / "idf.npy", self.idf)

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """Read what `save` wrote."""
        data = json.loads((folder / "vocabulary.json").read_text("utf-8"))
        index = {gram: i for i, gram in enumerate(data["grams"])}
        return cls(index, np.load(folder / "idf.npy"), data["longest"])


def document(message: Message) -> tuple[str, list[str]]:
    """A message as the text and its words."""
    tokens = message.get(TOKENS_NAMES[TEXT]) or []
    return message.get(TEXT), [t.text for t in tokens if t.text.strip()]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class CountFeaturizer(SparseFeaturizer, GraphComponent):
    """One sparse sentence feature a message; no features per token, which nothing here reads."""

    @classmethod
    def required_components(cls) -> list[type]:
        """Words come from a tokenizer."""
        return [Tokenizer]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Longest character n-gram, and in how many sentences a gram must stand to be kept."""
        return {**SparseFeaturizer.get_default_config(), "longest": 3, "least": 3}

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code changed."""
        return fingerprint()

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Nothing can be set wrongly."""

    def __init__(
        self, config: dict[str, Any], name: str, storage: ModelStorage, resource: Resource
    ) -> None:
        super().__init__(name, config)
        self._storage, self._resource = storage, resource
        self._vocabulary: Vocabulary | None = None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> CountFeaturizer:
        """An untrained featurizer."""
        return cls(config, execution_context.node_name, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Collect the vocabulary."""
        documents = [document(m) for m in training_data.training_examples if m.get(TEXT)]
        vocabulary = Vocabulary.fit(documents, self._config["longest"], self._config["least"])
        with self._storage.write_to(self._resource) as folder:
            vocabulary.save(Path(folder))
        self._vocabulary = vocabulary
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> CountFeaturizer:
        """The featurizer with its vocabulary."""
        component = cls.create(config, model_storage, resource, execution_context)
        with model_storage.read_from(resource) as folder:
            component._vocabulary = Vocabulary.read(Path(folder))
        return component

    @named_by_step
    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Add features to the training sentences."""
        self._add(training_data.training_examples)
        return training_data

    def process(self, messages: list[Message]) -> list[Message]:
        """Add features to messages and their clauses."""
        self._add(with_clauses(messages))
        return messages

    def _add(self, messages: list[Message]) -> None:
        if self._vocabulary is None:
            raise RuntimeError("CountFeaturizer is used before it was trained or loaded")
        for message in messages:
            if not message.get(TEXT):
                continue
            matrix = self._vocabulary.matrix(*document(message))
            message.add_features(Features(matrix, FEATURE_TYPE_SENTENCE, TEXT, self._identifier))
