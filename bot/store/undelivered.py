"""Messages about a ticket that reached nobody, for its page."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from bot.store.models import Outbox, Ticket

TO = {"resident": "居民", "member": "承办人", "node": "网格群"}
MAX = 10


@dataclass(frozen=True)
class Undelivered:
    """To whom, what, and why not."""

    to: str
    text: str
    why: str
    at: dt.datetime


def undelivered(factory: sessionmaker, number: str) -> list[Undelivered]:
    """Failed messages of a ticket, newest first. The caller has checked the scope."""
    with factory() as session:
        rows = session.scalars(
            select(Outbox)
            .join(Ticket, Ticket.id == Outbox.ticket_id)
            .where(Ticket.number == number, Outbox.status == "failed")
            .order_by(Outbox.id.desc())
            .limit(MAX)
        )
        return [
            Undelivered(
                TO[row.recipient_kind],
                str(row.payload.get("text", "")),
                row.error or "发送没有成功",
                row.created_at,
            )
            for row in rows
        ]
