"""What an extractor finds: a piece of the text and what it means."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """One found entity; `start` and `end` count characters of the normalised text."""

    entity: str
    value: str | int | bool
    start: int
    end: int
    extra: tuple[tuple[str, Any], ...] = ()

    def as_entity(self, extractor: str) -> dict[str, Any]:
        """The form in which Rasa keeps entities."""
        return {
            "entity": self.entity,
            "value": self.value,
            "start": self.start,
            "end": self.end,
            "extractor": extractor,
            **dict(self.extra),
        }


def distinct(spans: list[Span]) -> list[Span]:
    """Without repeated values of the same entity; the first mention stays."""
    seen: set[tuple[str, Any]] = set()
    kept = []
    for span in spans:
        if (span.entity, span.value) not in seen:
            seen.add((span.entity, span.value))
            kept.append(span)
    return kept
