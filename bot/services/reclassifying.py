"""A ticket filed under the wrong service item is put right, and so becomes a lesson."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import sessionmaker

from bot.domain.errors import BadInput
from bot.domain.status import Step
from bot.services import dispatching, wording
from bot.services.lifecycle import actors, clean, move, notice, staff_ticket, step
from bot.services.staff_steps import same_version
from bot.store.models import ServiceItem


def reclassify(
    factory: sessionmaker,
    number: str,
    member_id: int,
    item_key: str,
    now: dt.datetime,
    note: str = "",
    version: int | None = None,
) -> None:
    """Put the ticket under another item of the catalogue; the resident is told.

    The deadlines stay: they are what the resident was promised. What was confidential stays so.
    """
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        same_version(ticket, version)
        item, before = session.get(ServiceItem, item_key), ticket.item
        if item is None or not item.active:
            raise BadInput("请选择事项。")
        if item.key == before.key:
            raise BadInput(f"现在就是「{item.name}」，请选择别的事项。")
        as_ = actors(session, ticket, member)
        words = "。".join(filter(None, [f"从「{before.name}」改为「{item.name}」", clean(note)]))
        data = {"from": before.key, "to": item.key}
        event = move(session, ticket, Step.RECLASSIFY, as_, ("member", member_id), now, words, data)
        ticket.item, ticket.category = item, item.category
        ticket.private = ticket.private or item.private
        if ticket.assignee is not None and dispatching.is_party(ticket.assignee, ticket):
            raise BadInput(
                f"「{item.name}」要保密，{ticket.assignee.name}是当事人或同楼邻居，需要回避。"
                "请先换一位承办人，再改事项。"
            )
        notice(session, ticket, event, wording.reclassified(ticket, before.name), now)
