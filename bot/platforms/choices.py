"""Buttons in chats that have none: each choice gets a number that a tap or a digit sends back."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from bot.platforms.replies import Choice
from bot.store.models_platform import PlatformChoice

KEPT = dt.timedelta(days=30)
NOTICE = "notice:"  # batches of messages that the service sent on its own account
NUMBERED_FOR = dt.timedelta(hours=48)
MAX_LABEL = 60
DIGIT = re.compile(r"[1-9]")


def offer(
    factory: sessionmaker,
    channel: str,
    user: str,
    batch: str,
    buttons: Sequence[tuple[str, str]],
    now: dt.datetime,
) -> tuple[Choice, ...]:
    """Store (label, payload) buttons of one message; offering a batch again changes nothing."""
    with factory.begin() as session:
        rows = _batch(session, channel, user, batch)
        if not rows:
            session.execute(
                delete(PlatformChoice)
                .where(
                    PlatformChoice.channel == channel,
                    PlatformChoice.user == user,
                    PlatformChoice.created_at < now - KEPT,
                )
                .execution_options(synchronize_session=False)
            )
            for number, (label, payload) in enumerate(buttons, 1):
                session.add(
                    PlatformChoice(
                        channel=channel,
                        user=user,
                        batch=batch,
                        number=number,
                        label=label[:MAX_LABEL],
                        payload=payload,
                        created_at=now,
                    )
                )
            session.flush()
            rows = _batch(session, channel, user, batch)
        return tuple(Choice(row.label, row.id) for row in rows)


def _batch(session: Session, channel: str, user: str, batch: str) -> list[PlatformChoice]:
    return list(
        session.scalars(
            select(PlatformChoice)
            .where(
                PlatformChoice.channel == channel,
                PlatformChoice.user == user,
                PlatformChoice.batch == batch,
            )
            .order_by(PlatformChoice.number)
        )
    )


def tapped(factory: sessionmaker, channel: str, user: str, menu_id: str) -> str | None:
    """Payload behind a tapped choice; None unless it was offered to this very person."""
    if not (menu_id.isascii() and menu_id.isdigit() and len(menu_id) <= 9):
        return None
    with factory() as session:
        row = session.get(PlatformChoice, int(menu_id))
        if row is None or row.channel != channel or row.user != user:
            return None
        return row.payload


def typed(
    factory: sessionmaker, channel: str, user: str, text: str, now: dt.datetime
) -> str | None:
    """Payload behind a typed digit or label, where the last choices came with a notice.

    Choices of the dialogue are answered in words to the dialogue itself, which knows what it
    asked: there a bare digit may as well be the number of a building.
    """
    words = text.strip()
    with factory() as session:
        last = session.scalar(
            select(PlatformChoice)
            .where(
                PlatformChoice.channel == channel,
                PlatformChoice.user == user,
                PlatformChoice.created_at > now - NUMBERED_FOR,
            )
            .order_by(PlatformChoice.id.desc())
            .limit(1)
        )
        if last is None or not last.batch.startswith(NOTICE):
            return None
        for row in _batch(session, channel, user, last.batch):
            if words == row.label or (DIGIT.fullmatch(words) and int(words) == row.number):
                return row.payload
    return None


def forget(session: Session, channel: str, user: str) -> None:
    """Delete a person's choices."""
    session.execute(
        delete(PlatformChoice).where(PlatformChoice.channel == channel, PlatformChoice.user == user)
    )
