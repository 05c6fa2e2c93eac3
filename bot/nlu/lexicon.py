"""Which word groups of the domain, and which patterns, a message has."""

from __future__ import annotations

import json
import re
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
from rasa.shared.utils.io import read_yaml_file

from bot.nlu.clauses import with_clauses
from bot.nlu.fingerprint import fingerprint, named_by_step

# Shapes of a message that say more than its words: only a phone number, only an address, ….
PATTERNS = {
    "phone": r"1[3-9]\d[\d \-]{8,10}",
    "ticket": r"LL-?\d{8}|工单|单号|单子",
    "house": r"\d+(?:号楼|栋|幢|座|#)|\d单元|\d{3,4}(?:室|房|户)|\d+-\d+-\d{3,4}",
    "only_house": (
        r"^\W*(?:我?(?:家|住)?(?:是|在)?)?\w{0,8}?\d+(?:号楼|栋|幢|座|#|单元|-)"
        r"[\d单元层楼室号房\-]*\W*$"
    ),
    "only_number": r"^[\d\W]+$",
    "title": r"^(?:关于|反映|投诉|举报|请求|建议|咨询|希望|恳请|求助|请问)",
    "question": r"[??]|吗|怎么|如何|多少|什么|为何|何时|能否|是否|哪",
    "very_short": r"^.{1,4}$",
    "short": r"^.{5,10}$",
    "long": r"^.{80,}",
}


# What one, two and more words of a group weigh.
WEIGHTS = (0.0, 1.0, 1.5, 2.0)
MOST = len(WEIGHTS) - 1


class Lexicon:
    """How much a text speaks of each word group, and which patterns it has."""

    def __init__(self, groups: dict[str, list[str]]) -> None:
        self.names = [*groups, *PATTERNS]
        self._columns: dict[str, list[int]] = {}
        for column, words in enumerate(groups.values()):
            for word in words:
                self._columns.setdefault(str(word), []).append(column)
        self._lengths = sorted({len(word) for word in self._columns})
        self._patterns = [re.compile(body).search for body in PATTERNS.values()]

    def vector(self, text: str) -> np.ndarray:
        """One number a group or pattern.

        A group has 1 with one of its words in the text, 1.5 with two different ones, 2 with more;
        a pattern has 1 or 0.
        """
        columns = self._columns
        pieces = {text[i : i + n] for n in self._lengths for i in range(len(text) - n + 1)}
        counts = [0] * (len(self.names) - len(self._patterns))
        for piece in pieces:
            for column in columns.get(piece, ()):
                counts[column] += 1
        marks = [float(bool(test(text))) for test in self._patterns]
        return np.array([*(WEIGHTS[min(n, MOST)] for n in counts), *marks], np.float32)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class LexiconFeaturizer(DenseFeaturizer, GraphComponent):
    """A sentence feature with one number a word group."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """The file of word groups."""
        return {**DenseFeaturizer.get_default_config(), "lexicon": "data/lookups/lexicon.yml"}

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code or the groups changed."""
        return fingerprint(config.get("lexicon"))

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Nothing can be set wrongly."""

    def __init__(
        self, config: dict[str, Any], name: str, storage: ModelStorage, resource: Resource
    ) -> None:
        super().__init__(name, config)
        self._storage, self._resource = storage, resource
        self._lexicon = Lexicon({})

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> LexiconFeaturizer:
        """A featurizer that has not read its groups."""
        return cls(config, execution_context.node_name, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Keep the word groups with the model."""
        groups = read_yaml_file(self._config["lexicon"])
        with self._storage.write_to(self._resource) as folder:
            text = json.dumps(groups, ensure_ascii=False)
            (Path(folder) / "lexicon.json").write_text(text, "utf-8")
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> LexiconFeaturizer:
        """The featurizer with the groups it was trained with."""
        component = cls.create(config, model_storage, resource, execution_context)
        with model_storage.read_from(resource) as folder:
            groups = json.loads((Path(folder) / "lexicon.json").read_text("utf-8"))
        component._lexicon = Lexicon(groups)
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
        for message in messages:
            if text := message.get(TEXT):
                row = self._lexicon.vector(text)[None, :]
                message.add_features(Features(row, FEATURE_TYPE_SENTENCE, TEXT, self._identifier))
