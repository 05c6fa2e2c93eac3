"""From class probabilities to what the dialogue needs: intent, item, matters, choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.clauses import CLAUSES
from bot.nlu.linear import EMERGENCY
from bot.nlu.normaliser import ORIGINAL_TEXT

READING = "reading"
RANKING = 6
CHOICES = 3


@dataclass(frozen=True)
class Reading:
    """How one text (a message or a clause) was understood.

    `emergency` is the probability of that intent, `alarm` that of the regression for danger alone.
    """

    ranking: list[dict[str, Any]]
    items: list[dict[str, Any]]
    choices: list[dict[str, Any]]
    matter_mass: float
    emergency: float
    alarm: float

    @property
    def intent(self) -> str:
        """The likeliest intent."""
        return str(self.ranking[0]["name"])

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.ranking[0]["confidence"])

    @property
    def item(self) -> str | None:
        """The likeliest service item within the intent; None for talk."""
        return self.items[0]["name"] if self.items else None


class Reader:
    """Knows which class belongs to which intent; intents with items are matters."""

    def __init__(self, classes: list[str], config: dict[str, Any]) -> None:
        pairs = [name.partition("/") for name in classes]
        self._pairs = [(intent, item) for intent, _, item in pairs]
        self._intents = sorted({intent for intent, _ in self._pairs})
        number = {intent: i for i, intent in enumerate(self._intents)}
        self._group = np.array([number[intent] for intent, _ in self._pairs])
        with_items = {intent for intent, item in self._pairs if item}
        self._is_matter = np.array([intent in with_items for intent in self._intents])
        self._emergency = number.get(EMERGENCY)
        self._config = config

    def read(self, row: np.ndarray, alarm: float) -> Reading:
        """Understand one row of class probabilities; `alarm` is passed on."""
        mass = np.bincount(self._group, row, len(self._intents))
        matter = float(mass[self._is_matter].sum())
        # First: is it a matter at all? The many matters share their mass, small talk does not.
        wanted = self._is_matter == (matter >= self._config["matter_mass"])
        order = np.lexsort((-mass, ~wanted))[:RANKING]
        ranking = [{"name": self._intents[i], "confidence": float(mass[i])} for i in order]
        items = self._items(row, order[0], mass[order[0]])
        emergency = 0.0 if self._emergency is None else float(mass[self._emergency])
        return Reading(ranking, items, self._choices(row), matter, emergency, float(alarm))

    def _items(self, row: np.ndarray, intent: int, mass: float) -> list[dict[str, Any]]:
        columns = np.flatnonzero(self._group == intent)
        columns = columns[np.argsort(-row[columns])][:CHOICES]
        return [
            {"name": self._pairs[c][1], "confidence": float(row[c] / max(mass, 1e-9))}
            for c in columns
            if self._pairs[c][1]
        ]

    def _choices(self, row: np.ndarray) -> list[dict[str, Any]]:
        """The likeliest matters one by one, for 「您是想…？」."""
        columns = [c for c in np.argsort(-row)[: 4 * CHOICES] if self._pairs[c][1]][:CHOICES]
        return [
            {"intent": self._pairs[c][0], "item": self._pairs[c][1], "confidence": float(row[c])}
            for c in columns
        ]

    def output(self, message: Message) -> dict[str, Any]:
        """The keys that go out with the parse of a message (see docs/understanding.md)."""
        reading: Reading = message.get(READING)
        ranking = list(reading.ranking)
        if reading.confidence < self._config["threshold"]:
            doubt = {"name": DEFAULT_NLU_FALLBACK_INTENT_NAME, "confidence": 1 - reading.confidence}
            ranking.insert(0, doubt)
        best = reading.items[0] if reading.items else None
        return {
            "intent": ranking[0],
            "intent_ranking": ranking,
            "service_item": best,
            "service_item_ranking": reading.items,
            "choices": reading.choices,
            "matters": self._matters(message),
        }

    def _matters(self, message: Message) -> list[dict[str, Any]]:
        whole: Reading = message.get(READING)
        found: list[dict[str, Any]] = []
        for clause in message.get(CLAUSES) or []:
            reading = clause.get(READING)
            if reading and reading.item and reading.confidence >= self._config["clause_confidence"]:
                found.append(_matter(clause.get(TEXT), reading))
        kinds = {(matter["intent"], matter["item"]) for matter in found}
        if len(found) > 1 and len(kinds) == len(found):
            return found
        if whole.item is None:
            return []
        return [_matter(message.get(ORIGINAL_TEXT) or message.get(TEXT), whole)]


def _matter(text: str, reading: Reading) -> dict[str, Any]:
    return {
        "text": text,
        "intent": reading.intent,
        "item": reading.item,
        "confidence": reading.confidence,
    }
