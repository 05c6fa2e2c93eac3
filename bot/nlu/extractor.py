"""All entities found by rule, as one Rasa component."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.nlu.constants import ENTITIES, INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.facts import (
    find_amounts,
    find_person_kinds,
    find_phones,
    find_rating,
    find_solved,
    find_ticket_numbers,
)
from bot.nlu.fingerprint import fingerprint
from bot.nlu.normaliser import FULL_TEXT
from bot.nlu.places import EstateFinder, find_parts, read_places
from bot.nlu.spans import Span
from bot.nlu.times import find_times

ZONE = ZoneInfo("Asia/Shanghai")
# Only here do words such as 满意 or 修好了 speak of a ticket and not of a matter.
RATING_INTENTS = {"ticket_rate", "ticket_reopen", "ticket_withdraw", "thanks", "praise"}
ANSWER_INTENTS = RATING_INTENTS | {"affirm", "deny", "inform_detail", "ticket_add", "nlu_fallback"}


def find_all(text: str, intent: str, estates: EstateFinder, now: datetime) -> list[Span]:
    """Every entity of a normalised text."""
    phones, tickets = find_phones(text), find_ticket_numbers(text)
    rest = _blank(text, phones + tickets)
    parts = find_parts(rest)
    spans = phones + tickets + parts + estates.find(text) + find_times(rest, now)
    spans += find_person_kinds(text) + find_amounts(_blank(rest, parts))
    if intent in ANSWER_INTENTS:
        spans += find_rating(rest, in_words=intent in RATING_INTENTS) + find_solved(text)
    return sorted(spans, key=lambda span: span.start)


def _blank(text: str, spans: list[Span]) -> str:
    """The text with the spans hidden, so that no other rule reads their figures."""
    for span in spans:
        text = text[: span.start] + "\u0000" * (span.end - span.start) + text[span.end :]
    return text


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class RuleExtractor(GraphComponent, EntityExtractorMixin):
    """Adds places, numbers, times, persons, amounts and ratings to a message."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """The list of named places, one a line."""
        return {"places": "data/lookups/places.txt"}

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code or the places changed."""
        return fingerprint(config.get("places"))

    def __init__(self, config: dict[str, Any], storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, storage, resource
        self._estates = EstateFinder([])

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> RuleExtractor:
        """An extractor that knows no named places yet."""
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Keep the named places with the model."""
        names = read_places(self._config["places"])
        with self._storage.write_to(self._resource) as folder:
            text = json.dumps(names, ensure_ascii=False)
            (Path(folder) / "places.json").write_text(text, "utf-8")
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> RuleExtractor:
        """The extractor with the places it was trained with."""
        component = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            names = json.loads((Path(folder) / "places.json").read_text("utf-8"))
        component._estates = EstateFinder(names)
        return component

    def process(self, messages: list[Message]) -> list[Message]:
        """Add entities to messages."""
        now = datetime.now(ZONE)
        for message in messages:
            text = message.get(FULL_TEXT) or message.get(TEXT)
            if not text:
                continue
            intent = (message.get(INTENT) or {}).get("name") or ""
            spans = find_all(text, intent, self._estates, now)
            found = [span.as_entity(self.name) for span in spans]
            message.set(ENTITIES, message.get(ENTITIES, []) + found, add_to_output=True)
        return messages

    @property
    def name(self) -> str:
        """Stands as `extractor` on every entity."""
        return type(self).__name__
