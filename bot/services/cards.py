"""Task cards on the phones of staff: which ticket a card is for, and which are still open."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import sessionmaker

from bot.services import insert_ignore
from bot.store.models import Ticket
from bot.store.models_platform import PlatformCard

LIFETIME = dt.timedelta(hours=72)  # then the platform no longer updates a card


@dataclass(frozen=True)
class OpenCard:
    """A card whose buttons are still there."""

    task_id: str
    user: str
    response_code: str


def remember(
    factory: sessionmaker,
    task_id: str,
    user: str,
    ticket_id: int,
    response_code: str,
    now: dt.datetime,
) -> None:
    """A card was sent."""
    row = {
        "task_id": task_id,
        "user": user,
        "ticket_id": ticket_id,
        "response_code": response_code,
        "sent_at": now,
    }
    with factory.begin() as session:
        insert_ignore(session, PlatformCard, row, ["task_id"])


def ticket_of(factory: sessionmaker, task_id: str, user: str) -> str | None:
    """Number of the ticket behind a card on this member's own phone."""
    with factory() as session:
        number: str | None = session.scalar(
            select(Ticket.number)
            .join(PlatformCard, PlatformCard.ticket_id == Ticket.id)
            .where(PlatformCard.task_id == task_id, PlatformCard.user == user)
        )
        return number


def take_open(
    factory: sessionmaker, number: str, now: dt.datetime, *, except_user: str = ""
) -> list[OpenCard]:
    """Close the open cards of a ticket; returned for their buttons to be taken away.

    Each is returned once, for its code works once.
    """
    with factory.begin() as session:
        ticket_id = session.scalar(select(Ticket.id).where(Ticket.number == number))
        rows = session.scalars(
            select(PlatformCard)
            .where(
                PlatformCard.ticket_id == ticket_id,
                PlatformCard.closed_at.is_(None),
                PlatformCard.sent_at > now - LIFETIME,
                PlatformCard.user != except_user,
            )
            .with_for_update()
        ).all()
        for row in rows:
            row.closed_at = now
        return [OpenCard(r.task_id, r.user, r.response_code) for r in rows if r.response_code]


def close(factory: sessionmaker, task_id: str, now: dt.datetime) -> None:
    """A card was updated with the code of a tap."""
    with factory.begin() as session:
        session.execute(
            update(PlatformCard).where(PlatformCard.task_id == task_id).values(closed_at=now)
        )
