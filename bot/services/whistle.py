"""吹哨报到: the community whistles, departments come and do their part on clocks of their own."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain import dispatch, sla
from bot.domain.errors import BadInput, NotFound, WrongState
from bot.domain.sla import Span
from bot.domain.status import FINAL, Status, Step
from bot.services import outbox, wording
from bot.services.clock import CALENDAR
from bot.services.events import record
from bot.services.lifecycle import actors, alert, clean, move, notice, staff_ticket, step
from bot.store.models import Member, OrgNode, Ticket
from bot.store.models_life import CoTask

log = logging.getLogger(__name__)

UNFINISHED = ("asked", "checked_in")
# (report on the spot, finish the part), for ordinary and for all-hours classes.
CO_CLOCK = (Span(4, "wh"), Span(3, "wd"))
CO_CLOCK_ALL_HOURS = (Span(0.5, "h"), Span(12, "h"))
ALERTS = {"check_in": "未按时报到", "done": "会办超时"}


def whistle(
    factory: sessionmaker,
    number: str,
    member_id: int,
    departments: Sequence[str],
    what: str,
    now: dt.datetime,
) -> list[int]:
    """Call departments by key; each gets a task. Returns the tasks' ids.

    A department that is already on the ticket is not called twice.
    """
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        what = clean(what, need="吹哨请写明要部门做什么。")
        if not departments:
            raise BadInput("请选择要吹哨的部门。")
        nodes = [_department(session, key) for key in dict.fromkeys(departments)]
        names = "、".join(node.name for node in nodes)
        as_ = actors(session, ticket, member)
        note = f"吹哨：{names}。{what}"
        event = move(session, ticket, Step.WHISTLE, as_, ("member", member_id), now, note)
        tasks = [_call(session, ticket, node, member, what, now) for node in nodes]
        notice(
            session, ticket, event, f"您的工单{number}已请{names}一起办理，有进展会告诉您。", now
        )
        return [task.id for task in tasks]


def _department(session: Session, key: str) -> OrgNode:
    node = session.scalar(
        select(OrgNode).where(OrgNode.key == key, OrgNode.level == "department", OrgNode.active)
    )
    if node is None:
        raise NotFound("没有这个部门。")
    return node


def _call(
    session: Session, ticket: Ticket, node: OrgNode, by: Member, what: str, now: dt.datetime
) -> CoTask:
    there = [task for task in open_tasks(session, ticket) if task.department_id == node.id]
    if there:
        return there[0]
    all_hours = sla.CLOCKS[ticket.clock_class].all_hours
    check_in, done = CO_CLOCK_ALL_HOURS if all_hours else CO_CLOCK
    due = check_in.after(now, CALENDAR)
    task = CoTask(
        ticket_id=ticket.id,
        department=node,
        member=_who_comes(session, node, now),
        asked_by_id=by.id,
        asked_at=now,
        what=what,
        check_in_due=due,
        done_due=done.after(now, CALENDAR),
        next_check_at=due,
    )
    session.add(task)
    session.flush()
    text = f"【吹哨】工单{ticket.number}「{wording.title(ticket)}」：{what}。"
    _tell(session, ticket, task, f"{text}请{wording.local(due)}前报到。", now)
    return task


def _who_comes(session: Session, node: OrgNode, now: dt.datetime) -> Member:
    """The department's member on duty with the fewest open tasks; off duty if there is no other."""
    members = session.scalars(select(Member).where(Member.node_id == node.id, Member.active)).all()
    if not members:
        raise WrongState(f"{node.name}还没有登记联络人，请先联系街道。")
    busy = dict(
        session.execute(
            select(CoTask.member_id, func.count(CoTask.id))
            .where(CoTask.status.in_(UNFINISHED), CoTask.member_id.in_([m.id for m in members]))
            .group_by(CoTask.member_id)
        ).all()
    )
    return min(
        members,
        key=lambda m: (not dispatch.on_duty(m.duty, m.leave, now), busy.get(m.id, 0), m.id),
    )


def _tell(session: Session, ticket: Ticket, task: CoTask, text: str, now: dt.datetime) -> None:
    outbox.put(
        session,
        to="member",
        recipient_id=task.member.id,
        kind="task_card",
        payload={"text": text, "number": ticket.number},
        dedup_key=f"co_task:{task.id}",
        at=now,
        ticket_id=ticket.id,
    )


def open_tasks(session: Session, ticket: Ticket) -> list[CoTask]:
    """Co-handling tasks that are not done."""
    return list(
        session.scalars(
            select(CoTask)
            .where(CoTask.ticket_id == ticket.id, CoTask.status.in_(UNFINISHED))
            .order_by(CoTask.id)
        )
    )


def check_in(
    factory: sessionmaker, number: str, member_id: int, now: dt.datetime, note: str = ""
) -> None:
    """The department reports on the ticket (报到). Doing it twice is once."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        task = _own_task(session, ticket, member_id)
        if task.status != "asked":
            return
        as_ = actors(session, ticket, member)
        words = f"{task.department.name}已报到。{clean(note)}"
        move(session, ticket, Step.CHECK_IN, as_, ("member", member_id), now, words)
        task.status, task.checked_in_at, task.next_check_at = "checked_in", now, task.done_due


def finish(factory: sessionmaker, number: str, member_id: int, note: str, now: dt.datetime) -> None:
    """The department's part is done, with what was done; the owner is told."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        note = clean(note, need="请写明部门做了什么。")
        task = _own_task(session, ticket, member_id)
        as_ = actors(session, ticket, member)
        words = f"{task.department.name}：{note}"
        event = move(session, ticket, Step.CO_DONE, as_, ("member", member_id), now, words)
        task.checked_in_at = task.checked_in_at or now
        task.status, task.done_at, task.note, task.next_check_at = "done", now, note, None
        left = len(open_tasks(session, ticket))
        tail = f"还有{left}个部门未完成。" if left else "会办全部完成，可以办结。"
        if ticket.assignee:
            text = f"工单{number}：{words}。{tail}"
            alert(session, ticket, ticket.assignee, text, now, f"member:{event.reference}")


def _own_task(session: Session, ticket: Ticket, member_id: int) -> CoTask:
    for task in open_tasks(session, ticket):
        if task.member_id == member_id:
            return task
    raise NotFound("这张工单上没有您的会办任务。")


def sweep(factory: sessionmaker, now: dt.datetime, *, limit: int = 200) -> int:
    """Remind late departments and those who whistled; each mark once. Returns how many."""
    with factory() as session:
        due = select(CoTask.id).where(CoTask.next_check_at <= now)
        ids = session.scalars(due.order_by(CoTask.next_check_at).limit(limit)).all()
    for task_id in ids:
        with factory.begin() as session:
            task = session.scalar(
                select(CoTask)
                .where(CoTask.id == task_id, CoTask.next_check_at <= now)
                .with_for_update(skip_locked=True, of=CoTask)
            )
            if task is not None:
                _remind(session, task, now)
    return len(ids)


def _remind(session: Session, task: CoTask, now: dt.datetime) -> None:
    ticket = task.ticket
    if Status(ticket.status) in FINAL or task.status not in UNFINISHED:
        task.next_check_at = None
        return
    mark = "check_in" if task.status == "asked" and now < task.done_due else "done"
    task.alerts = [*task.alerts, mark]
    task.next_check_at = task.done_due if mark == "check_in" else None
    words = f"{task.department.name}{ALERTS[mark]}"
    event = record(session, ticket, Step.ALERT, "system", None, now, note=words)
    text = f"【督办】工单{ticket.number}：{words}，请尽快处理。"
    asker = Member.id == task.asked_by_id
    department = Member.id == task.member_id
    for member in session.scalars(select(Member).where(Member.active, or_(asker, department))):
        alert(session, ticket, member, text, now, f"co:{event.reference}:{member.id}")
