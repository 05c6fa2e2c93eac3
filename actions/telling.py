"""How tickets are told to a resident: the card of a new one, the lines of an old one."""

from __future__ import annotations

from actions.base import Turn
from bot.domain.status import Step
from bot.services.intake import Opened
from bot.services.oversight import APPEAL_DENIED, APPEAL_GRANTED, APPEAL_OPEN
from bot.services.wording import local
from bot.store.own_tickets import OwnTicket

APPEALS = {
    APPEAL_OPEN: "正在复核",
    APPEAL_GRANTED: "成立，已重新办理",
    APPEAL_DENIED: "经复核未予支持",
}
PROGRESS = {
    Step.DISPATCH: "已派单",
    Step.ACCEPT: "已接单",
    Step.CONTACT: "已联系您",
    Step.SUSPEND: "暂缓办理",
    Step.RESUME: "恢复办理",
    Step.RESOLVE: "已办结",
    Step.REOPEN: "重新办理",
    Step.REJECT: "未予受理",
    Step.MARK_DUPLICATE: "与同类诉求合并办理",
    Step.GRANT_APPEAL: "申诉成立",
    Step.DENY_APPEAL: "申诉未予支持",
}


def tell_ticket(
    turn: Turn, ticket: Opened, response: str, buttons: list[dict[str, str]] | None = None
) -> None:
    """Number, who has it, and by when they will be in touch."""
    card = {
        "type": "ticket",
        "number": ticket.number,
        "title": ticket.title,
        "who": ticket.who,
        "phone": ticket.phone,
        "due": ticket.contact_due,
    }
    phone = f"，电话 {ticket.phone}" if ticket.phone else ""
    turn.say(
        response,
        buttons=buttons,
        card=card,
        number=ticket.number,
        who=ticket.who,
        tel=phone,
        due=ticket.contact_due,
    )


def progress(ticket: OwnTicket) -> str:
    """Progress in a few lines."""
    place = f"（{ticket.place}）" if ticket.place else ""
    for_whom = f"（替{ticket.on_behalf_of}）" if ticket.on_behalf_of else ""
    lines = [
        f"工单 {ticket.number}「{ticket.item}{place}」{for_whom}",
        f"状态：{ticket.status_name}，{ticket.level_name}",
        f"经办：{ticket.who}" + (f"，电话 {ticket.phone}" if ticket.phone else ""),
    ]
    if ticket.resolution:
        lines.append(f"办理结果：{ticket.resolution}")
    elif ticket.last_step:
        note = f"：{ticket.last_note}" if ticket.last_note else ""
        done = PROGRESS[ticket.last_step]
        lines.append(f"最近进展：{local(ticket.last_step_at)} {done}{note}")
    if ticket.appeal:
        lines.append(f"申诉：{APPEALS[ticket.appeal]}")
    return "\n".join(lines)


def status_card(ticket: OwnTicket) -> dict[str, str]:
    """The same as a card."""
    return {
        "type": "status",
        "number": ticket.number,
        "title": ticket.item,
        "status": ticket.status_name,
        "who": ticket.who,
        "phone": ticket.phone,
    }
