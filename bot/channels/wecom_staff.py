"""What staff can do in WeCom without opening the desk: commands in words, and buttons of cards."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from bot.domain.errors import BadInput, NotAllowed, NotFound, WrongState
from bot.domain.status import Status
from bot.services import cards, staff_steps, wording
from bot.services.members import Staff
from bot.store import queries
from bot.store.models import Attachment, Ticket
from bot.store.queries import Row

COMMAND = re.compile(
    r"^(接单|退单|办结|已?联系|上报|详情|我的任务|任务|帮助)[\s:：,，]*(.*)$", re.S
)
# A ticket's number, or its last digits.
NUMBER = re.compile(r"^([A-Za-z]*[0-9][0-9-]{2,20})(?:\s+|$|[:：,，]\s*)(.*)$", re.S)
PHOTO_WINDOW = dt.timedelta(hours=2)
HELP = (
    "可以这样回复：\n接单\n退单 原因\n已联系 说了什么\n办结 做了什么（可先发照片）\n上报 原因\n"
    "详情\n我的任务\n手上有几张工单时，请带上编号末几位，例如：办结 0012 厨房已修好"
)
PHOTO_KEPT = "照片已收到，两小时内办结的工单会附上。"
NONE_OPEN = "您手上没有可以这样操作的工单。回复「我的任务」看一看。"
TAKEN, MOVED = "已被接单", "已转给他人"
DONE_WORDS = {"accept": "已接单", "return": "已退单", "contact": "已联系", "escalate": "已上报"}


@dataclass(frozen=True)
class Told:
    """What the member is told, and what becomes of the cards of which ticket."""

    text: str
    number: str = ""
    own_card: str = ""  # words in place of the buttons of the tapped card
    other_cards: str = ""  # the same on the other phones


def handle_text(factory: sessionmaker, staff: Staff, text: str, at: dt.datetime) -> Told:
    """A command in words."""
    match = COMMAND.match(text.strip())
    if match is None:
        return Told(HELP)
    verb, rest = match[1].removeprefix("已"), match[2].strip()
    if verb in {"我的任务", "任务"}:
        return Told(my_tasks(factory, staff, at))
    if verb == "帮助":
        return Told(HELP)
    act, boxes = COMMANDS[verb]
    row, words = _which(factory, staff, boxes, rest, at)
    return act(factory, staff, row, words, at)


def _which(
    factory: sessionmaker, staff: Staff, boxes: tuple[str, ...], rest: str, at: dt.datetime
) -> tuple[Row, str]:
    """The ticket that is meant, and the words after its number. Raises BadInput."""
    rows = [row for box in boxes for row in queries.my_tickets(factory, staff.id, box, at)]
    match = NUMBER.match(rest)
    if match:
        named = [row for row in rows if row.number.upper().endswith(match[1].upper())]
        if len(named) == 1:
            return named[0], match[2].strip()
    if len(rows) == 1:
        return rows[0], rest
    if not rows:
        raise BadInput(NONE_OPEN)
    listed = "\n".join(_line(row) for row in rows[:8])
    raise BadInput(f"您手上有 {len(rows)} 张工单，请带上编号：\n{listed}")


def _line(row: Row) -> str:
    place = f"（{row.place}）" if row.place else ""
    due = f"，{wording.local(row.due)}前" if row.due else ""
    return f"{row.number} {row.item}{place} {row.status_name}{due}"


def my_tasks(factory: sessionmaker, staff: Staff, at: dt.datetime) -> str:
    """Open tasks, the most urgent first."""
    parts = []
    for box in ("todo", "doing"):
        rows = queries.my_tickets(factory, staff.id, box, at, limit=15)
        if rows:
            lines = [_line(row) for row in rows]
            parts.append("\n".join([f"{queries.BOXES[box][0]}（{len(rows)}）", *lines]))
    return "\n\n".join(parts) or "您现在没有待办的工单。"


def _accept(factory: sessionmaker, staff: Staff, row: Row, _words: str, at: dt.datetime) -> Told:
    return accept(factory, staff, row.number, at)


def accept(factory: sessionmaker, staff: Staff, number: str, at: dt.datetime) -> Told:
    """Take a task; of two, the second is told so, and taking it twice is once."""
    try:
        staff_steps.accept(factory, number, staff.id, at)
    except (NotAllowed, NotFound, WrongState):
        holder, status = _holder(factory, number)
        if holder != staff.id:
            words = TAKEN if status != Status.DISPATCHED.value else MOVED
            return Told(f"工单{number}{words}，不用处理了。", number, own_card=words)
    row = _row(factory, staff, number, at)
    due = f"请{wording.local(row.due)}前联系居民，" if row.due else ""
    text = f"已接单：{number} {row.item}。{due}联系后回复「已联系」，办好后回复「办结 做了什么」。"
    return Told(text, number, DONE_WORDS["accept"], TAKEN)


def _holder(factory: sessionmaker, number: str) -> tuple[int | None, str]:
    with factory() as session:
        row = session.execute(
            select(Ticket.assignee_id, Ticket.status).where(Ticket.number == number)
        ).one()
        return row.assignee_id, row.status


def _row(factory: sessionmaker, staff: Staff, number: str, at: dt.datetime) -> Row:
    for box in queries.BOXES:
        for row in queries.my_tickets(factory, staff.id, box, at):
            if row.number == number:
                return row
    raise NotFound()


def _return(factory: sessionmaker, staff: Staff, row: Row, words: str, at: dt.datetime) -> Told:
    staff_steps.return_ticket(factory, row.number, staff.id, words, at)
    text = f"已退单：{row.number}，系统会另行派单。"
    return Told(text, row.number, DONE_WORDS["return"], DONE_WORDS["return"])


def _contact(factory: sessionmaker, staff: Staff, row: Row, words: str, at: dt.datetime) -> Told:
    staff_steps.contact(factory, row.number, staff.id, words, at)
    return Told(f"已记录联系居民：{row.number}。", row.number)


def _escalate(factory: sessionmaker, staff: Staff, row: Row, words: str, at: dt.datetime) -> Told:
    staff_steps.escalate(factory, row.number, staff.id, words, at)
    text = f"已上报：{row.number}，由上一级继续办理。"
    return Told(text, row.number, DONE_WORDS["escalate"], DONE_WORDS["escalate"])


def _resolve(factory: sessionmaker, staff: Staff, row: Row, words: str, at: dt.datetime) -> Told:
    """Finish; a member who did the work has met the resident, so that is put on record too."""
    if not words:
        raise BadInput("办结请写明做了什么，例如：办结 厨房水管已修好")
    photos = _photos(factory, staff.id, at)
    if row.status in {Status.ACCEPTED.value, Status.REOPENED.value}:
        staff_steps.contact(factory, row.number, staff.id, "办结时一并记录", at)
    staff_steps.resolve(factory, row.number, staff.id, words, at, photos)
    with_photos = f"，附照片 {len(photos)} 张" if photos else ""
    return Told(f"已办结：{row.number}{with_photos}。已请居民评价。", row.number)


def _photos(factory: sessionmaker, member_id: int, at: dt.datetime) -> tuple[str, ...]:
    """Photos that the member sent lately and that belong to no ticket yet."""
    with factory() as session:
        return tuple(
            session.scalars(
                select(Attachment.token)
                .where(
                    Attachment.member_id == member_id,
                    Attachment.ticket_id.is_(None),
                    Attachment.kind == "image",
                    Attachment.created_at > at - PHOTO_WINDOW,
                )
                .order_by(Attachment.id)
            )
        )


def _detail(factory: sessionmaker, staff: Staff, row: Row, _words: str, at: dt.datetime) -> Told:
    return detail(factory, staff, row.number, at)


def detail(factory: sessionmaker, staff: Staff, number: str, at: dt.datetime) -> Told:
    """The ticket in a few lines; the resident's number stays masked."""
    row = _row(factory, staff, number, at)
    lines = [_line(row), f"诉求：{row.description}"]
    if row.reason:
        lines.append(f"派单理由：{row.reason}")
    return Told("\n".join(lines), number)


Act = Callable[[sessionmaker, Staff, Row, str, dt.datetime], Told]
COMMANDS: dict[str, tuple[Act, tuple[str, ...]]] = {
    "接单": (_accept, ("todo",)),
    "退单": (_return, ("todo",)),
    "联系": (_contact, ("doing",)),
    "上报": (_escalate, ("doing",)),
    "办结": (_resolve, ("doing",)),
    "详情": (_detail, ("todo", "doing")),
}


def handle_tap(
    factory: sessionmaker, staff: Staff, userid: str, task_id: str, button: str, at: dt.datetime
) -> Told:
    """A button of a card on the member's own phone."""
    number = cards.ticket_of(factory, task_id, userid)
    if number is None:
        raise NotFound("这张卡片已经失效，请回复「我的任务」。")
    if button == "accept":
        return accept(factory, staff, number, at)
    if _holder(factory, number)[0] != staff.id:
        return Told(f"工单{number}{MOVED}。", number, own_card=MOVED)
    if button == "return":
        return Told(f"请回复退单原因，例如：退单 {number[-4:]} 不属于本网格")
    return detail(factory, staff, number, at)
