"""What integration tests do over and over: open a ticket, take it, look at it, move the clock."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import select

from bot.domain.worktime import SHANGHAI
from bot.services import intake, residents, staff_steps
from bot.services.intake import Draft, Opened
from bot.store.models import Outbox, Ticket, TicketEvent
from tests.databases import Database

# A Tuesday morning, in office hours.
MORNING = dt.datetime(2026, 11, 24, 9, 30, tzinfo=SHANGHAI).astimezone(dt.timezone.utc)
HOUR = dt.timedelta(hours=1)
_keys = itertools.count(1)


def resident(db: Database, name: str = "visitor", *, now: dt.datetime = MORNING) -> int:
    """A resident of 幸福里3号楼 who has consented."""
    profile = residents.profile(db.factory, "webchat", name, now)
    residents.consent(db.factory, profile.id, now)
    residents.bind_home(db.factory, profile.id, db.building_id("xingfuli_3"), "2", "501")
    return profile.id


def open_ticket(
    db: Database,
    who: int,
    *,
    item: str = "housing/leak_repair",
    building: str | None = "xingfuli_3",
    now: dt.datetime = MORNING,
    key: str | None = None,
    **values: Any,
) -> Opened:
    """A ticket about a leak in 幸福里3号楼, unless told otherwise."""
    building_id = db.building_id(building) if building else None
    draft = Draft(who, item, values.pop("words", "厨房漏水，楼上不管"), building_id, **values)
    key = key or f"test:{next(_keys)}"
    return intake.open_ticket(db.factory, draft, idempotency_key=key, now=now)


def ticket(db: Database, number: str) -> Ticket:
    """The ticket as it is now, with its assignee loaded."""
    with db.factory() as session:
        found = session.scalars(select(Ticket).where(Ticket.number == number)).one()
        _ = found.assignee and found.assignee.node, found.node
        return found


def holder(db: Database, number: str) -> int:
    """Id of who has the ticket."""
    assignee_id = ticket(db, number).assignee_id
    assert assignee_id is not None
    return int(assignee_id)


def start_work(db: Database, number: str, now: dt.datetime = MORNING) -> int:
    """Its assignee accepts and calls the resident; returns who."""
    who = holder(db, number)
    staff_steps.accept(db.factory, number, who, now)
    staff_steps.contact(db.factory, number, who, "已电话联系", now)
    return who


def finish_work(db: Database, number: str, now: dt.datetime = MORNING) -> int:
    """Start and resolve; returns who did."""
    who = start_work(db, number, now)
    staff_steps.resolve(db.factory, number, who, "已更换水管", now)
    return who


def kinds(db: Database, number: str) -> list[str]:
    """Kinds of the ticket's events, in order."""
    with db.factory() as session:
        return list(
            session.scalars(
                select(TicketEvent.kind)
                .join(Ticket, Ticket.id == TicketEvent.ticket_id)
                .where(Ticket.number == number)
                .order_by(TicketEvent.id)
            )
        )


def told(db: Database, kind: str, recipient_id: int | None = None) -> list[str]:
    """Texts queued for residents or members, in order."""
    with db.factory() as session:
        query = select(Outbox).where(Outbox.recipient_kind == kind).order_by(Outbox.id)
        rows = session.scalars(query).all()
    return [str(r.payload["text"]) for r in rows if recipient_id in (None, r.recipient_id)]


def all_at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run calls in as many threads; results in order, an exception in place of a result."""

    def safely(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(safely, calls))
