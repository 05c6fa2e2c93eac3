"""Event rows: the immutable history of a ticket."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from sqlalchemy.orm import Session

from bot.domain.levels import ROLE_NAMES, Role
from bot.domain.status import Status, Step
from bot.store.models import Member, Ticket, TicketEvent


def record(
    session: Session,
    ticket: Ticket,
    step: Step,
    actor_kind: str,
    actor_id: int | None,
    at: dt.datetime,
    *,
    from_status: Status | None = None,
    to_status: Status | None = None,
    note: str = "",
    data: dict[str, Any] | None = None,
) -> TicketEvent:
    """Add one line of history. It has its id only after the next flush, its `reference` at once."""
    event = TicketEvent(
        ticket_id=ticket.id,
        at=at,
        kind=step.value,
        actor_kind=actor_kind,
        actor_id=actor_id,
        actor_name=_name(session, actor_kind, actor_id),
        from_status=from_status.value if from_status else None,
        to_status=to_status.value if to_status else None,
        note=note,
        data=data or {},
    )
    event.reference = secrets.token_hex(8)
    session.add(event)
    return event


def _name(session: Session, actor_kind: str, actor_id: int | None) -> str:
    if actor_kind == "resident":
        return "居民"
    if actor_kind == "system" or actor_id is None:
        return "平台"
    member = session.get(Member, actor_id)
    return f"{ROLE_NAMES[Role(member.role)]}{member.name}"
