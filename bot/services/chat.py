"""A resident's chat history: paging, unread, and notices put into it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import sessionmaker

from bot.services import insert_ignore
from bot.store.models import ChatMessage


@dataclass(frozen=True)
class Line:
    """One line of the history as plain values."""

    id: int
    direction: str
    kind: str
    body: dict[str, Any]
    at: dt.datetime


def history(
    factory: sessionmaker,
    resident_id: int,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = 30,
) -> list[Line]:
    """Lines in order of time: the last ones, those before an id, or those after one."""
    query = select(ChatMessage).where(ChatMessage.resident_id == resident_id)
    if after is not None:
        query = query.where(ChatMessage.id > after).order_by(ChatMessage.id)
    else:
        if before is not None:
            query = query.where(ChatMessage.id < before)
        query = query.order_by(ChatMessage.id.desc())
    with factory() as session:
        rows = list(session.scalars(query.limit(limit)))
    rows.sort(key=lambda row: row.id)
    return [Line(r.id, r.direction, r.kind, r.body, r.created_at) for r in rows]


def latest_ids(factory: sessionmaker, resident_ids: list[int]) -> dict[int, int]:
    """Newest line id of each resident: cheap enough to poll for many open pages."""
    with factory() as session:
        rows = session.execute(
            select(ChatMessage.resident_id, func.max(ChatMessage.id))
            .where(ChatMessage.resident_id.in_(resident_ids))
            .group_by(ChatMessage.resident_id)
        )
        return dict(rows.all())


def unread(factory: sessionmaker, resident_id: int) -> int:
    """Outgoing lines that the resident has not seen."""
    with factory() as session:
        return int(
            session.scalar(
                select(func.count(ChatMessage.id)).where(
                    ChatMessage.resident_id == resident_id,
                    ChatMessage.direction == "out",
                    ChatMessage.read_at.is_(None),
                )
            )
            or 0
        )


def mark_read(factory: sessionmaker, resident_id: int, up_to: int, now: dt.datetime) -> None:
    """The page showed everything up to this id."""
    with factory.begin() as session:
        session.execute(
            update(ChatMessage)
            .where(
                ChatMessage.resident_id == resident_id,
                ChatMessage.id <= up_to,
                ChatMessage.read_at.is_(None),
            )
            .values(read_at=now)
        )


def put_notice(
    factory: sessionmaker,
    resident_id: int,
    body: dict[str, Any],
    *,
    dedup_key: str,
    now: dt.datetime,
) -> None:
    """Deliver a notice into the history; the same key is delivered once."""
    with factory.begin() as session:
        insert_ignore(
            session,
            ChatMessage,
            {
                "resident_id": resident_id,
                "direction": "out",
                "kind": "notice",
                "body": body,
                "dedup_key": dedup_key,
                "created_at": now,
            },
            ["dedup_key"],
        )
