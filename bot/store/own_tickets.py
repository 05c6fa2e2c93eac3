"""A resident's own tickets as the dialogue speaks of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.levels import LEVEL_NAMES, Level, Role, standing
from bot.domain.status import OPEN, STATUS_NAMES, Status, Step
from bot.store.models import Ticket, TicketEvent
from bot.store.queries import loaded

# Steps whose words are for the resident too; notes and reasons among staff stay among staff.
NOTED = frozenset(
    {
        Step.CONTACT,
        Step.RESOLVE,
        Step.SUSPEND,
        Step.REJECT,
        Step.MARK_DUPLICATE,
        Step.GRANT_APPEAL,
        Step.DENY_APPEAL,
    }
)
TOLD = NOTED | {Step.DISPATCH, Step.ACCEPT, Step.RESUME, Step.REOPEN}
FINISHED = frozenset({Status.RESOLVED, Status.CLOSED})


@dataclass(frozen=True)
class OwnTicket:
    """A resident's own ticket as the dialogue speaks of it."""

    number: str
    item_key: str
    item: str
    category: str
    place: str
    status: str
    status_name: str
    who: str
    phone: str
    description: str
    created_at: dt.datetime
    last_step: Step | None  # of those that a resident is told of
    last_step_at: dt.datetime | None
    last_note: str
    level_name: str
    resolution: str
    reopenable: bool
    rateable: bool  # waits for the resident's rating; a merged one when its parent is done
    appealable: bool  # declined or merged, and not yet appealed against
    appeal: str  # open | granted | denied, or empty
    on_behalf_of: str


def own_tickets(
    factory: sessionmaker, resident_id: int, *, open_only: bool = False, limit: int = 10
) -> list[OwnTicket]:
    """A resident's tickets, newest first."""
    query = loaded(select(Ticket).where(Ticket.resident_id == resident_id))
    if open_only:
        states = [s.value for s in OPEN | {Status.RESOLVED}]
        query = query.where(Ticket.status.in_(states))
    with factory() as session:
        rows = list(session.scalars(query.order_by(Ticket.id.desc()).limit(limit)))
        return [_own(session, t) for t in rows]


def _told(status: Status) -> str:
    """The state in a resident's words: who gave the task back is the staff's business."""
    return "正在重新派单" if status is Status.RETURNED else STATUS_NAMES[status]


def _own(session: Session, t: Ticket) -> OwnTicket:
    # A merged ticket tells of the work on its parent: state, person, result; nothing else of it.
    merged = t.status == Status.DUPLICATE.value and t.parent_id is not None
    work = session.get(Ticket, t.parent_id) if merged else t
    event = session.scalar(
        select(TicketEvent)
        .where(TicketEvent.ticket_id == t.id, TicketEvent.kind.in_([s.value for s in TOLD]))
        .order_by(TicketEvent.id.desc())
        .limit(1)
    )
    who = "社区调度员"
    if work.assignee:
        who = standing(work.assignee.node.name, Role(work.assignee.role)) + work.assignee.name
    status, at = Status(t.status), Status(work.status)
    rated = t.stars is not None or t.solved is not None
    return OwnTicket(
        number=t.number,
        item_key=t.item_key,
        item=t.item.name,
        category=t.category,
        place=t.place_text,
        status=t.status,
        status_name=f"合并办理，{_told(at)}" if merged else _told(status),
        who=who,
        phone=(work.assignee.phone or "") if work.assignee else "",
        description=t.description,
        created_at=t.created_at,
        last_step=Step(event.kind) if event else None,
        last_step_at=event.at if event else None,
        last_note=event.note if event and Step(event.kind) in NOTED else "",
        level_name=LEVEL_NAMES[Level(work.level)],
        resolution=work.resolution or "",
        reopenable=status in FINISHED,
        rateable=status is Status.RESOLVED or (merged and at in FINISHED and not rated),
        appealable=status in {Status.REJECTED, Status.DUPLICATE} and t.appeal is None,
        appeal=t.appeal or "",
        on_behalf_of=t.on_behalf_of or "",
    )
