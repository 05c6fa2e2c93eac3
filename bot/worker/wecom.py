"""Delivery to staff in WeCom: task cards, alerts, answers, and the robots of grid groups."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from bot.platforms.client import ApiClient
from bot.platforms.errors import PlatformError
from bot.platforms.replies import split_text
from bot.platforms.wecom import Button, Card, WeComApi, make_api
from bot.services import cards, outbox, wording
from bot.services.clock import now
from bot.services.outbox import Delivery, Outcome
from bot.services.recipients import Recipient
from bot.settings import Settings
from bot.store.models import Ticket
from bot.store.queries import Row, loaded, person, row_of
from bot.worker.relay import Sender

log = logging.getLogger(__name__)

SAME_TASK = 42014  # a card with this task_id was sent before: by a try whose outcome was lost
MOVED = "已转给他人"
BUTTONS = (Button("接单", "accept"), Button("退单", "return", 2), Button("详情", "detail", 2))
VIA = "企业微信"


def wecom_sender(factory: sessionmaker, http: aiohttp.ClientSession, config: Settings) -> Sender:
    """The sender for the channel `wecom`."""
    api = make_api(config, ApiClient(http, config.wecom_api_base), factory)

    async def send(row: Delivery, recipient: Recipient) -> Outcome:
        try:
            if row.kind == "task_card":
                await _send_task(factory, api, row, recipient, config.public_url)
            else:
                for text in split_text(row.payload["text"]):
                    await api.send_text(recipient.address, text)
        except PlatformError as error:
            return _refused(error)
        return Outcome(sent=True, via=VIA)

    return send


def robot_sender(factory: sessionmaker, http: aiohttp.ClientSession, config: Settings) -> Sender:
    """The sender for the group robots of grids (channel `robot`)."""
    api = make_api(config, ApiClient(http, config.wecom_api_base), factory)

    async def send(row: Delivery, recipient: Recipient) -> Outcome:
        try:
            await api.notify_group(recipient.address, split_text(row.payload["text"])[0])
        except PlatformError as error:
            return _refused(error)
        return Outcome(sent=True, via="群机器人")

    return send


def _refused(error: PlatformError) -> Outcome:
    return Outcome(
        sent=False, via=VIA, errcode=error.errcode, error=error.reason, retry=error.temporary
    )


async def _send_task(
    factory: sessionmaker, api: WeComApi, row: Delivery, recipient: Recipient, public_url: str
) -> None:
    """A card with buttons; cards of the same ticket on other phones lose theirs."""
    ticket = await asyncio.to_thread(_ticket, factory, row.ticket_id)
    if ticket is None or row.ticket_id is None:
        return
    task_id = f"linli-{row.id}"
    try:
        code = await api.send_card(recipient.address, _card(task_id, ticket, row, public_url))
    except PlatformError as error:
        if error.errcode != SAME_TASK:
            raise
        code = ""
    userid = recipient.address.lower()
    await asyncio.to_thread(cards.remember, factory, task_id, userid, row.ticket_id, code, now())
    await asyncio.to_thread(_tell_group, factory, row, row.ticket_id)
    stale = await asyncio.to_thread(
        cards.take_open, factory, ticket.number, now(), except_user=userid
    )
    for card in stale:
        try:
            await api.update_card(card.response_code, MOVED)
        except PlatformError as error:
            log.warning("a card could not be updated: errcode %s", error.errcode)


def _tell_group(factory: sessionmaker, row: Delivery, ticket_id: int) -> None:
    """Queue a notice for the group of the grid, once a dispatch; never of a private matter."""
    with factory.begin() as session:
        ticket = session.scalar(loaded(select(Ticket).where(Ticket.id == ticket_id)))
        if ticket is None or ticket.private or not ticket.node.robot_key:
            return
        who = person(ticket.assignee)
        outbox.put(
            session,
            to="node",
            recipient_id=ticket.node_id,
            kind="alert",
            payload={"text": f"新工单 {ticket.number}：{wording.title(ticket)}，已派给{who}。"},
            dedup_key=f"group:{row.id}",
            at=now(),
            ticket_id=ticket_id,
        )


def _ticket(factory: sessionmaker, ticket_id: int | None) -> Row | None:
    with factory() as session:
        ticket = session.scalar(loaded(select(Ticket).where(Ticket.id == ticket_id)))
        return row_of(ticket, now()) if ticket else None


def _card(task_id: str, ticket: Row, row: Delivery, public_url: str) -> Card:
    lines = (
        ("工单", ticket.number),
        ("地点", ticket.place or "未说明"),
        ("诉求", _short(ticket.description, 26)),
    )
    return Card(
        task_id=task_id,
        title=f"新任务：{ticket.item}",
        subtitle=_short(str(row.payload.get("text", "")), 60),
        lines=lines,
        buttons=BUTTONS,
        url=f"{public_url}/desk/tickets/{ticket.number}",
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
