"""Delivery to residents on WeChat: the outbox's rows by whatever route is open."""

from __future__ import annotations

import asyncio

import aiohttp
from sqlalchemy.orm import sessionmaker

from bot.platforms import choices, render
from bot.platforms.client import ApiClient
from bot.platforms.delivery import CHANNEL, Report, Routes, WeChatDelivery
from bot.platforms.replies import Outgoing
from bot.platforms.wechat import WeChatApi
from bot.services import answers, chat
from bot.services.clock import now
from bot.services.outbox import Delivery, Outcome
from bot.services.recipients import Recipient
from bot.settings import Settings
from bot.worker.relay import Sender


def wechat_sender(factory: sessionmaker, http: aiohttp.ClientSession, config: Settings) -> Sender:
    """The sender for the channel `wechat`."""
    client = ApiClient(http, config.wechat_api_base)
    api = WeChatApi(client, factory, appid=config.wechat_appid, secret=config.wechat_secret)
    routes = Routes(
        config.wechat_subscribe_id,
        config.wechat_subscribe_fields,
        config.wechat_template_id,
        config.wechat_template_fields,
        f"{config.public_url}/chat",
    )
    delivery = WeChatDelivery(api, factory, routes)

    async def send(row: Delivery, recipient: Recipient) -> Outcome:
        is_reply = row.kind == "reply"
        if not is_reply:
            await asyncio.to_thread(_into_history, factory, row, recipient)
        messages = await asyncio.to_thread(_messages, factory, row, recipient)
        if not messages:
            return Outcome(sent=True, via="wechat")
        notice = None if is_reply else row.payload
        report = await delivery.send(recipient.address, messages, notice, now())
        if not report.sent and not report.temporary and not is_reply:
            await asyncio.to_thread(answers.missed, factory, row, recipient.id, now())
        return _outcome(report)

    return send


def _messages(factory: sessionmaker, row: Delivery, recipient: Recipient) -> list[Outgoing]:
    """The row's messages; choices of a notice may also be answered by a digit."""
    messages = row.payload.get("replies") or [row.payload]
    batch = f"{choices.NOTICE if row.kind != 'reply' else ''}outbox:{row.id}"
    return render.outgoing(factory, CHANNEL, recipient.address, batch, messages, now())


def _into_history(factory: sessionmaker, row: Delivery, recipient: Recipient) -> None:
    """The resident also reads notices on the page of the official account."""
    key = f"outbox:{row.dedup_key}"
    chat.put_notice(factory, recipient.id, row.payload, dedup_key=key, now=now())


def _outcome(report: Report) -> Outcome:
    return Outcome(
        sent=report.sent,
        via=report.via or "wechat",
        errcode=report.errcode,
        error=report.words,
        retry=report.temporary,
    )
