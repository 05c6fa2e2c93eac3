"""What residents said and what the model made of it, for review and retraining."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import sessionmaker

from bot.domain.masking import mask
from bot.services import insert_ignore
from bot.store.models import Utterance

MAX_TEXT = 2000


@dataclass(frozen=True)
class Heard:
    """One message as the model read it. The text is masked here, before it is stored."""

    message_id: str
    resident_id: int | None
    text: str
    intent: str | None
    item_key: str | None
    confidence: float | None
    ranking: list[dict[str, Any]] = field(default_factory=list)
    model: str | None = None


def record(
    factory: sessionmaker,
    heard: Heard,
    outcome: str,
    now: dt.datetime,
    ticket_id: int | None = None,
) -> None:
    """Keep one utterance; a repeated message is kept once, and its later outcome wins."""
    values: dict[str, Any] = {
        "message_id": heard.message_id[:160],
        "resident_id": heard.resident_id,
        "text_masked": mask(heard.text)[:MAX_TEXT],
        "intent": heard.intent,
        "item_key": heard.item_key,
        "confidence": heard.confidence,
        "ranking": heard.ranking,
        "model": heard.model,
        "outcome": outcome,
        "outcome_data": {},
        "ticket_id": ticket_id,
        "at": now,
    }
    with factory.begin() as session:
        if insert_ignore(session, Utterance, values, ["message_id"]) is None:
            settle(session, heard.message_id, outcome, ticket_id)


def settle(session: Any, message_id: str, outcome: str, ticket_id: int | None = None) -> None:
    """Write what became of an utterance, inside the caller's transaction."""
    session.execute(
        update(Utterance)
        .where(Utterance.message_id == message_id[:160])
        .values(outcome=outcome, ticket_id=ticket_id)
    )


def filed(factory: sessionmaker, message_id: str, item_key: str, ticket_id: int) -> None:
    """A ticket came of an earlier utterance; `item_key` is what the resident confirmed.

    Another item than the model read is a correction. A message that was not understood stays one.
    """
    with factory.begin() as session:
        row = session.scalar(
            select(Utterance).where(Utterance.message_id == message_id[:160]).with_for_update()
        )
        if row is None:  # a tapped choice is no utterance
            return
        if row.outcome != "fallback":
            row.outcome = "ticket" if full_key(row) in (None, item_key) else "corrected"
        row.ticket_id, row.outcome_data = ticket_id, {"item": item_key}


def full_key(row: Utterance) -> str | None:
    """The item that the model read, with its category; None where it read none."""
    if not row.item_key:
        return None
    return str(row.item_key) if "/" in row.item_key else f"{row.intent}/{row.item_key}"


def settle_later(
    factory: sessionmaker, message_id: str, outcome: str, ticket_id: int | None = None
) -> None:
    """What became of an earlier utterance: the card was cancelled, say."""
    with factory.begin() as session:
        settle(session, message_id, outcome, ticket_id)
