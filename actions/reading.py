"""What Rasa understood of the latest message, in one typed object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.domain import taps

MATTER_INTENTS = frozenset(
    {
        "housing",
        "medical",
        "employment",
        "elderly_care",
        "education",
        "dispute",
        "family_crisis",
        "emergency",
        "other_service",
    }
)
PLACE_PARTS = ("estate", "building", "unit", "room")


@dataclass(frozen=True)
class Matter:
    """One matter of a message: its words and its service item (「housing/leak_repair」)."""

    text: str
    item: str | None
    confidence: float = 1.0


@dataclass(frozen=True)
class Reading:
    """Intent, entities by name, matters, urgency. `tapped`: a button, not words."""

    text: str
    intent: str
    confidence: float = 1.0
    entities: dict[str, Any] = field(default_factory=dict)
    matters: tuple[Matter, ...] = ()
    choices: tuple[str, ...] = ()  # likeliest items, for 「您是想…？」
    item_confidence: float = 1.0
    urgency: str = "normal"
    ranking: tuple[dict[str, Any], ...] = ()
    tapped: bool = False

    @property
    def is_matter(self) -> bool:
        """Whether the message tells of something to be handled."""
        return self.intent in MATTER_INTENTS

    @property
    def item(self) -> str | None:
        """The item of the first matter."""
        return self.matters[0].item if self.matters else None

    @property
    def place(self) -> dict[str, str]:
        """Parts of an address that the message names."""
        return {k: str(self.entities[k]) for k in PLACE_PARTS if self.entities.get(k)}

    def get(self, name: str) -> Any:
        """Value of an entity, or None."""
        return self.entities.get(name)


def from_message(message: dict[str, Any]) -> Reading:
    """Read the tracker's latest message."""
    text = str(message.get("text") or "")
    intent = (message.get("intent") or {}).get("name") or ""
    entities: dict[str, Any] = {}
    for entity in message.get("entities") or []:
        entities.setdefault(entity["entity"], entity.get("value"))
    best = message.get("service_item") or {}
    return Reading(
        text=text,
        intent=intent,
        confidence=float((message.get("intent") or {}).get("confidence") or 0.0),
        entities=entities,
        matters=_matters(message, intent, text),
        choices=_choices(message),
        item_confidence=float(best.get("confidence") or 0.0),
        urgency=str(message.get("urgency") or "normal"),
        ranking=tuple(message.get("intent_ranking") or ()),
        tapped=taps.read(text) is not None,
    )


def _matters(message: dict[str, Any], intent: str, text: str) -> tuple[Matter, ...]:
    if intent not in MATTER_INTENTS:
        return ()
    found = tuple(
        Matter(m["text"], f"{m['intent']}/{m['item']}", float(m["confidence"]))
        for m in message.get("matters") or ()
        if m.get("item")
    )
    return found or (Matter(text, None, 0.0),)


def _choices(message: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{c['intent']}/{c['item']}" for c in message.get("choices") or ())


def from_payload(payload: str) -> Reading:
    """Read a button's payload (「/ticket_rate{"rating": 5}」) as if it had been tapped."""
    intent, entities = taps.read(payload) or ("", {})
    return Reading(payload, intent, entities=entities, tapped=True)
