"""One matter told by several residents (并单): suggestions, merging, and everyone kept informed.

The parent is worked on; children stay as they are, tell their own residents, and are rated by
them. What belongs to another resident (number, room, words) is never shown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import BadInput, NotFound, WrongState
from bot.domain.similarity import nearness
from bot.domain.status import OPEN, STATUS_NAMES, Status, Step
from bot.services import dispatching, wording
from bot.services.lifecycle import (
    actors,
    children_of,
    clean,
    move,
    notice,
    staff_ticket,
    step,
)
from bot.store.models import Member, Ticket
from bot.store.scope import visible_to

WINDOW = dt.timedelta(days=14)
NEAR = 0.15  # below it, the same item in the same building is likely another matter
MERGEABLE = OPEN - {Status.SUSPENDED, Status.REOPENED}


@dataclass(frozen=True)
class Suggestion:
    """A ticket that may be the same matter; `nearness` from 0 to 1."""

    number: str
    description: str
    created_at: dt.datetime
    nearness: float
    status_name: str


@dataclass(frozen=True)
class Relative:
    """A ticket merged with another. Outside the viewer's scope there is its number only."""

    number: str
    description: str
    status_name: str
    in_scope: bool


def suggest(
    factory: sessionmaker, number: str, member_id: int, now: dt.datetime, limit: int = 5
) -> list[Suggestion]:
    """Open tickets of the same place and item, within 14 days, the nearest in words first."""
    with factory() as session:
        member = session.get(Member, member_id)
        ticket = session.scalar(select(Ticket).where(Ticket.number == number, visible_to(member)))
        if ticket is None:
            raise NotFound()
        return near(session, ticket, member, now, limit)


def near(
    session: Session, ticket: Ticket, member: Member, now: dt.datetime, limit: int = 5
) -> list[Suggestion]:
    """As `suggest`, inside the caller's transaction."""
    others = session.scalars(
        select(Ticket).where(
            visible_to(member),
            Ticket.id != ticket.id,
            Ticket.item_key == ticket.item_key,
            Ticket.origin_id == ticket.origin_id,
            Ticket.building_id == ticket.building_id,
            Ticket.private.is_(False),
            Ticket.status.in_([s.value for s in MERGEABLE]),
            Ticket.created_at >= now - WINDOW,
        )
    )
    found = [
        Suggestion(
            other.number,
            other.description,
            other.created_at,
            round(nearness(ticket.description, other.description), 3),
            STATUS_NAMES[Status(other.status)],
        )
        for other in others
    ]
    close = [s for s in found if s.nearness >= NEAR]
    return sorted(close, key=lambda s: -s.nearness)[:limit]


def relatives(
    session: Session, ticket: Ticket, member: Member
) -> tuple[Relative | None, tuple[Relative, ...]]:
    """The ticket that this one was merged into, and those merged into it."""
    merged = ticket.status == Status.DUPLICATE.value and ticket.parent_id is not None
    parent = session.get(Ticket, ticket.parent_id) if merged else None
    children = children_of(session, ticket)
    ids = [t.id for t in (parent, *children) if t is not None]
    query = select(Ticket.id).where(Ticket.id.in_(ids), visible_to(member))
    seen = set(session.scalars(query)) if ids else set()
    return (
        _relative(parent, seen) if parent is not None else None,
        tuple(_relative(child, seen) for child in children),
    )


def _relative(ticket: Ticket, seen: set[int]) -> Relative:
    if ticket.id not in seen:
        return Relative(ticket.number, "", "", False)
    return Relative(ticket.number, ticket.description, STATUS_NAMES[Status(ticket.status)], True)


def merge(
    factory: sessionmaker,
    parent: str,
    children: Sequence[str],
    member_id: int,
    note: str,
    now: dt.datetime,
) -> None:
    """A dispatcher declares tickets to be the parent's matter. Merging again is no error."""
    with step(factory) as session:
        if not children:
            raise BadInput("请选择要并入的工单。")
        _lock(session, [parent, *children])
        main, member = staff_ticket(session, parent, member_id)
        if Status(main.status) not in OPEN:
            raise WrongState("只能并入还在办理的工单。")
        note = clean(note) or "反映的是同一件事"
        for number in dict.fromkeys(children):
            child, _ = staff_ticket(session, number, member_id)
            if child.parent_id != main.id:
                _merge_one(session, main, child, member, note, now)


def _lock(session: Session, numbers: Sequence[str]) -> None:
    """Lock all in one order, so that two who merge crosswise do not wait for each other."""
    rows = select(Ticket.id).where(Ticket.number.in_(numbers)).order_by(Ticket.id)
    session.execute(rows.with_for_update()).all()


def _merge_one(
    session: Session, main: Ticket, child: Ticket, member: Member, note: str, now: dt.datetime
) -> None:
    if child.id == main.id:
        raise BadInput("不能并入自己。")
    if child.private or main.private:
        raise BadInput("保密工单不能并单。")
    as_ = actors(session, child, member)
    data = {"parent": main.number}
    event = move(session, child, Step.MARK_DUPLICATE, as_, ("member", member.id), now, note, data)
    dispatching.end_assignment(child, "done", now)
    child.parent_id, child.next_check_at = main.id, None
    for grandchild in children_of(session, child):
        grandchild.parent_id = main.id
    who = wording.who(main.assignee)
    text = f"您的工单{child.number}与邻居反映的是同一件事，已合并办理，由{who}负责，进展会告诉您。"
    notice(session, child, event, text, now, appeal="不是一件事，申诉")
