"""Outbox relay: claim due rows, send them outside any transaction, record the outcome.

A slow platform may take longer than the lease, and rows of one recipient wait for one another: so
the lease is renewed until the last row is recorded, and looked at once more before each is sent.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.orm import sessionmaker

from bot.services import chat, outbox, recipients
from bot.services.clock import now
from bot.services.lease import renewed
from bot.services.outbox import Delivery, Outcome
from bot.services.recipients import Recipient

log = logging.getLogger(__name__)

RENEW_SECONDS = outbox.LEASE.total_seconds() / 3
SEND_SECONDS = 300.0  # a send that takes longer hangs; for ever renewed it would be lost

Sender = Callable[[Delivery, Recipient], Awaitable[Outcome]]


def webchat_sender(factory: sessionmaker) -> Sender:
    """The chat page reads its history from the database: to send is to write a line there."""

    async def send(delivery: Delivery, recipient: Recipient) -> Outcome:
        await asyncio.to_thread(
            chat.put_notice,
            factory,
            recipient.id,
            delivery.payload,
            dedup_key=f"outbox:{delivery.dedup_key}",
            now=now(),
        )
        return Outcome(sent=True, via="webchat")

    return send


async def desk_sender(_delivery: Delivery, _recipient: Recipient) -> Outcome:
    """The desk shows tasks live from the database; there is nothing more to send."""
    return Outcome(sent=True, via="desk")


async def relay(
    factory: sessionmaker, senders: Mapping[str, Sender], at: dt.datetime | None = None
) -> int:
    """Send what is due; returns how many rows were tried.

    Rows of one recipient go one after the other, in order; different recipients in parallel.
    """
    due = await asyncio.to_thread(outbox.claim, factory, now=at or now())
    in_order = sorted(due, key=lambda d: (d.recipient_kind, d.recipient_id, d.id))
    groups = itertools.groupby(in_order, key=lambda d: (d.recipient_kind, d.recipient_id))
    async with renewed(lambda: outbox.renew(factory, due, now()), RENEW_SECONDS):
        await asyncio.gather(*(_send_all(factory, senders, list(rows)) for _, rows in groups))
    return len(due)


async def _send_all(
    factory: sessionmaker, senders: Mapping[str, Sender], deliveries: list[Delivery]
) -> None:
    for delivery in deliveries:
        mine = await asyncio.to_thread(outbox.renew, factory, [delivery], now())
        if mine:
            outcome = await _send(factory, senders, delivery)
            mine = await asyncio.to_thread(outbox.record, factory, delivery, outcome, now())
        if not mine:
            log.warning("outbox row %s is no longer that of try %s", delivery.id, delivery.attempts)


async def _send(
    factory: sessionmaker, senders: Mapping[str, Sender], delivery: Delivery
) -> Outcome:
    recipient = await asyncio.to_thread(
        recipients.find, factory, delivery.recipient_kind, delivery.recipient_id
    )
    if recipient is None:
        return Outcome(sent=False, error="收件人已注销")
    sender = senders.get(recipient.channel) or senders["webchat"]
    try:
        return await asyncio.wait_for(sender(delivery, recipient), SEND_SECONDS)
    except Exception:
        log.exception("outbox row %s was not sent, will retry", delivery.id)
        return Outcome(sent=False, via=recipient.channel, error="发送时出错", retry=True)
