"""Chinese sentences that the service itself sends (notices, alerts); one place to edit them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from bot.domain.levels import LEVEL_NAMES, Level, Role, standing
from bot.domain.status import STATUS_NAMES, Status
from bot.domain.worktime import SHANGHAI
from bot.store.models import Member, Ticket

URGENCY_NAMES = {"danger": "紧急", "urgent": "加急", "normal": "一般"}
EMERGENCY_LINE = "如有生命危险请立刻拨打：110（报警）、119（火警）、120（急救）。"


def local(at: dt.datetime | None, form: str = "%m月%d日 %H:%M") -> str:
    """A moment as people here read it; empty for None."""
    return "" if at is None else at.astimezone(SHANGHAI).strftime(form)


def tap(title: str, intent: str, **entities: Any) -> dict[str, str]:
    """A choice under a message: its words, and what the dialogue hears when it is tapped."""
    data = json.dumps(entities, ensure_ascii=False, separators=(",", ":"))
    return {"title": title, "payload": f"/{intent}{data}"}


def who(member: Member | None) -> str:
    """「青禾一网格 网格员 王芳」."""
    if member is None:
        return "社区调度员"
    return f"{standing(member.node.name, Role(member.role))}{member.name}"


def title(ticket: Ticket) -> str:
    """「漏水维修（幸福里3号楼）」."""
    place = f"（{ticket.place_text}）" if ticket.place_text else ""
    return f"{ticket.item.name}{place}"


def dispatched(ticket: Ticket) -> str:
    """Told to the resident when somebody new has the matter."""
    return f"您的工单{ticket.number}「{title(ticket)}」已派给{who(ticket.assignee)}。"


def accepted(ticket: Ticket) -> str:
    """Told to the resident on accept."""
    due = local(ticket.contact_due)
    return f"{who(ticket.assignee)}已接单（{ticket.number}），最晚{due}前与您联系。"


def contacted(ticket: Ticket, note: str) -> str:
    """Told to the resident when the first contact is on record."""
    tail = f"：{note}" if note else "。"
    return f"{who(ticket.assignee)}已开始办理工单{ticket.number}{tail}"


def resolved(ticket: Ticket) -> str:
    """Told to the resident on resolve, with the request to rate."""
    return (
        f"您的工单{ticket.number}「{title(ticket)}」已办结：{ticket.resolution}\n"
        "请您评一评：问题解决了吗？满意吗？"
    )


def escalated(ticket: Ticket) -> str:
    """Told to the resident when the level rises."""
    level = LEVEL_NAMES[Level(ticket.level)]
    return f"您的工单{ticket.number}已上报到{level}，由{who(ticket.assignee)}继续跟进。"


def reclassified(ticket: Ticket, before: str) -> str:
    """Told to the resident when the matter was filed under another item before."""
    return (
        f"您的工单{ticket.number}原来归在「{before}」，现已改为「{ticket.item.name}」，"
        f"由{who(ticket.assignee)}负责，时限不变。"
    )


def suspended(ticket: Ticket, why: str) -> str:
    """Told to the resident when work waits for someone."""
    return f"您的工单{ticket.number}暂时挂起：{why}。条件具备后会继续办理。"


def reopened(ticket: Ticket) -> str:
    """Told to the resident on reopening."""
    return f"工单{ticket.number}已重新办理，由{who(ticket.assignee)}负责，上一级同步跟进。"


def closed_silent(ticket: Ticket) -> str:
    """Told to the resident when nobody rated in time."""
    return f"工单{ticket.number}已满7天未评价，先行关闭（记为未评价）。28天内可回复「没解决」重办。"


def rejected(ticket: Ticket, why: str) -> str:
    """Told to the resident when the matter is not taken."""
    return f"您的工单{ticket.number}未予受理：{why}。如不同意，可以申诉，由另一位负责人复核。"


def merged(child: Ticket, parent: Ticket) -> str:
    """Told to residents whose ticket was merged; nothing of the other residents in it."""
    now = STATUS_NAMES[Status(parent.status)]
    text = f"您反映的「{child.item.name}」（{child.number}，合并办理）：{now}，"
    text += f"{who(parent.assignee)}负责。"
    if parent.status == Status.RESOLVED.value:
        text += f"办理结果：{parent.resolution}\n请您评一评：问题解决了吗？满意吗？"
    return text


def task(ticket: Ticket, reason: str) -> str:
    """Told to the member who gets the task."""
    mark = "" if ticket.urgency == "normal" else f"【{URGENCY_NAMES[ticket.urgency]}】"
    due = local(ticket.accept_due)
    return f"{mark}新任务 {ticket.number}：{title(ticket)}。{reason}。请{due}前接单。"
