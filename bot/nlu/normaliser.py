"""Bring a message into one spelling before anything else reads it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import opencc
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.clauses import CLAUSES, split_clauses
from bot.nlu.fingerprint import fingerprint, named_by_step
from bot.nlu.numerals import arabic
from bot.nlu.places import AddressCutter, read_places

ORIGINAL_TEXT = "original_text"
FULL_TEXT = "full_text"
HARD_LIMIT = 4000

_SPACES = re.compile(r"\s+")
_REPEATS = re.compile(r"([^\d\w])\1{1,}|(\D)\2{3,}")
# Anonymised place names of published petitions: A市, K8县, 某某区.
_ANON_PLACE = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z]\d{0,2}|某+|X{1,3}|x{1,3}|\*+)(?=[省市县区镇乡村])"
)
_PICTOGRAM = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d\u20e3]+")
_LINK = re.compile(r"https?://\S+")


def load_table(path: str | Path) -> dict[str, str]:
    """Read a two-column table (`wrong<TAB>right`); blank lines and lines with # are notes."""
    table: dict[str, str] = {}
    for line in Path(path).read_text("utf-8").splitlines():
        columns = line.split("#", 1)[0].split("\t")
        if len(columns) >= 2 and columns[0].strip():
            table[columns[0].strip()] = columns[1].strip()
    return table


class TextNormaliser:
    """Spelling rules as one pure function of a text; `table` maps typos and emoji to words."""

    def __init__(
        self, table: dict[str, str], places: Iterable[str] | None = None, limit: int = 240
    ) -> None:
        self.table, self.limit = table, limit
        self._cut = None if places is None else AddressCutter(places).cut
        keys = sorted(table, key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, keys))) if keys else None
        self._simplify = opencc.OpenCC("t2s").convert

    def full(self, text: str) -> str:
        """The whole message in one spelling, for the extractors."""
        text = unicodedata.normalize("NFKC", text[:HARD_LIMIT])
        text = self._simplify(_LINK.sub(" ", text))
        if self._words:
            text = self._words.sub(lambda m: self.table[m.group(0)], text)
        text = _PICTOGRAM.sub(" ", text)
        text = arabic(_SPACES.sub(" ", text).strip())
        return _REPEATS.sub(lambda m: m.group(1) or m.group(2), text)

    def short(self, full: str) -> str:
        """What the model reads: a long story's head and tail, no house, place codes neutral."""
        text = _ANON_PLACE.sub("某", self._cut(full) if self._cut else full)
        if len(text) <= self.limit:
            return text
        head = self.limit * 3 // 4
        return text[:head] + text[head - self.limit :]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class Normaliser(GraphComponent):
    """Replaces the text for the components after it; `TextRestorer` puts the typed text back."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Where the tables and the named places are, and how many characters the model reads."""
        return {
            "tables": ["data/lookups/homophones.tsv", "data/lookups/emoji.tsv"],
            "places": "data/lookups/places.txt",
            "limit": 240,
        }

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code or the tables changed."""
        return fingerprint([*(config.get("tables") or []), *filter(None, [config.get("places")])])

    def __init__(self, config: dict[str, Any], storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, storage, resource
        self._text = TextNormaliser({}, limit=config["limit"])

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> Normaliser:
        """A component that has not read its tables yet."""
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Keep the tables with the model, so that training and parsing use the same ones."""
        table: dict[str, str] = {}
        for path in self._config["tables"]:
            table.update(load_table(path))
        with self._storage.write_to(self._resource) as folder:
            words = json.dumps(table, ensure_ascii=False)
            (Path(folder) / "table.json").write_text(words, "utf-8")
            names = json.dumps(read_places(self._config["places"]), ensure_ascii=False)
            (Path(folder) / "places.json").write_text(names, "utf-8")
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> Normaliser:
        """The component with the tables it was trained with."""
        component = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            table = json.loads((Path(folder) / "table.json").read_text("utf-8"))
            names = Path(folder) / "places.json"
            # Models from before have no places; what they read keeps its addresses as ever.
            places = json.loads(names.read_text("utf-8")) if names.is_file() else None
        component._text = TextNormaliser(table, places, config["limit"])
        return component

    @named_by_step
    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Normalise every training sentence, without cutting it into clauses."""
        for message in training_data.training_examples:
            self._normalise(message)
        return training_data

    def process(self, messages: list[Message]) -> list[Message]:
        """Normalise messages, and hang on each the clauses that may be separate matters."""
        for message in messages:
            full = self._normalise(message)
            clauses = split_clauses(full) if full else []
            message.set(CLAUSES, [Message({TEXT: self._text.short(c)}) for c in clauses])
        return messages

    def _normalise(self, message: Message) -> str:
        original = message.get(TEXT)
        if not original:
            return ""
        full = self._text.full(original)
        message.set(ORIGINAL_TEXT, original)
        message.set(FULL_TEXT, full)
        # An emoji-only message leaves nothing; the tokenizer needs a character.
        message.set(TEXT, self._text.short(full) or "。")
        return full


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class TextRestorer(GraphComponent):
    """Last in the pipeline: `latest_message["text"]` is what the resident typed."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> TextRestorer:
        """Nothing to configure."""
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        """Put back the text as typed."""
        for message in messages:
            original = message.get(ORIGINAL_TEXT)
            if original is not None:
                message.set(TEXT, original)
        return messages
