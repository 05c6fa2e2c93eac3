"""Co-handling tasks (会办) as the desk lists them: those of a member, and those on a ticket."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, sessionmaker

from bot.domain.status import FINAL
from bot.store.models import Member, OrgNode, Ticket
from bot.store.models_life import CoTask
from bot.store.queries import Row, person, row_of

BOXES = {"todo": "asked", "doing": "checked_in", "done": "done"}
STATUS_NAMES = {"asked": "待报到", "checked_in": "已报到", "done": "已完成"}


@dataclass(frozen=True)
class CoLine:
    """One department's part of a ticket."""

    department: str
    who: str
    what: str
    status: str
    status_name: str
    due: dt.datetime
    overdue: bool
    note: str


@dataclass(frozen=True)
class CoRow:
    """A member's co-handling task in a list."""

    row: Row
    task: CoLine


def _line(task: CoTask, now: dt.datetime) -> CoLine:
    due = task.check_in_due if task.status == "asked" else task.done_due
    return CoLine(
        task.department.name,
        person(task.member),
        task.what,
        task.status,
        STATUS_NAMES[task.status],
        due,
        task.status != "done" and due < now,
        task.note,
    )


def mine(factory: sessionmaker, member_id: int, box: str, now: dt.datetime) -> list[CoRow]:
    """A member's co-handling tasks in one box of the front page, the most urgent first."""
    with factory() as session:
        tasks = session.scalars(
            select(CoTask)
            .join(Ticket, CoTask.ticket_id == Ticket.id)
            .where(*_in_box(member_id, box))
            .options(
                joinedload(CoTask.department),
                joinedload(CoTask.member),
                joinedload(CoTask.ticket).joinedload(Ticket.item),
                joinedload(CoTask.ticket).joinedload(Ticket.assignee).joinedload(Member.node),
            )
            .order_by(CoTask.done_due, CoTask.id)
            .limit(100)
        )
        return [CoRow(row_of(task.ticket, now), _line(task, now)) for task in tasks]


def _in_box(member_id: int, box: str) -> list:
    where = [CoTask.member_id == member_id, CoTask.status == BOXES[box]]
    if box != "done":
        where.append(Ticket.status.notin_([s.value for s in FINAL]))
    return where


def count(session: Session, member_id: int, box: str) -> int:
    """How many there are in a box."""
    query = select(func.count(CoTask.id)).join(Ticket, CoTask.ticket_id == Ticket.id)
    return session.scalar(query.where(*_in_box(member_id, box))) or 0


def of_ticket(session: Session, ticket_id: int, now: dt.datetime) -> tuple[CoLine, ...]:
    """What departments do on a ticket, in the order they were called."""
    tasks = session.scalars(select(CoTask).where(CoTask.ticket_id == ticket_id).order_by(CoTask.id))
    return tuple(_line(task, now) for task in tasks)


def departments(factory: sessionmaker) -> list[tuple[str, str]]:
    """(key, name) of the departments that can be called."""
    with factory() as session:
        rows = session.execute(
            select(OrgNode.key, OrgNode.name)
            .where(OrgNode.level == "department", OrgNode.active)
            .order_by(OrgNode.id)
        )
        return [(key, name) for key, name in rows]
