"""A sender slower than its lease loses no message, and lets nobody send it too meanwhile."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from bot.services import answers, inbox, outbox
from bot.services.inbox import Inbound
from bot.services.outbox import Delivery, Outcome
from bot.services.recipients import Recipient
from bot.store.models import Outbox
from bot.worker import relay as relay_module
from bot.worker.relay import relay
from tests.clocks import Clock
from tests.databases import Database
from tests.people import MORNING, resident

LITTLE = dt.timedelta(seconds=1)
REFUSED = Outcome(sent=False, error="居民超过 48 小时没有与公众号互动")


class Phone:
    """A channel that shows what arrives."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    async def __call__(self, delivery: Delivery, _recipient: Recipient) -> Outcome:
        self.shown.append(delivery.payload["text"])
        return Outcome(sent=True, via="webchat")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(outbox.LEASE)
    monkeypatch.setattr(relay_module, "now", clock)
    return clock


def queue(database: Database, who: int, *texts: str) -> None:
    with database.factory.begin() as session:
        for text in texts:
            outbox.put(
                session,
                to="resident",
                recipient_id=who,
                kind="notice",
                payload={"text": text},
                dedup_key=text,
                at=MORNING,
            )


def rows(database: Database) -> list[tuple[str, str, str | None]]:
    with database.factory() as session:
        found = session.query(Outbox).order_by(Outbox.id)
        return [(row.payload["text"], row.status, row.error) for row in found]


def test_no_end_of_a_lost_try_changes_the_row(database: Database, clock: Clock):
    queue(database, resident(database), "甲")
    (lost,) = outbox.claim(database.factory, now=clock())
    clock.after_the_lease()
    (mine,) = outbox.claim(database.factory, now=clock())
    for outcome in (REFUSED, Outcome(sent=False, retry=True), Outcome(sent=True)):
        assert not outbox.record(database.factory, lost, outcome, clock())
    assert not outbox.renew(database.factory, [lost], clock() + outbox.LEASE)
    assert outbox.claim(database.factory, now=clock() + outbox.LEASE - LITTLE) == []
    assert outbox.renew(database.factory, [lost, mine], clock())
    assert outbox.record(database.factory, mine, Outcome(sent=True), clock())
    assert rows(database) == [("甲", "sent", None)]


def test_a_lost_try_does_not_have_its_notice_told_once_more(database: Database, clock: Clock):
    """What no route takes is shown with the next answer; here another try is still at it."""
    who = resident(database)
    queue(database, who, "甲")
    asked = inbox.receive(database.factory, Inbound("webchat", "k", "visitor", "你好"), clock()).id
    (lost,) = outbox.claim(database.factory, now=clock())
    clock.after_the_lease()
    (mine,) = outbox.claim(database.factory, now=clock())
    answers.missed(database.factory, lost, who, clock())
    assert answers.take_missed(database.factory, who, asked) == []
    answers.missed(database.factory, mine, who, clock())
    assert answers.take_missed(database.factory, who, asked) == ["甲"]


async def test_a_slow_send_keeps_its_row_and_those_that_wait_behind_it(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relay_module, "RENEW_SECONDS", 0.001)
    loop, renewed, renew = asyncio.get_running_loop(), asyncio.Event(), outbox.renew

    def noted(*arguments: object) -> bool:
        kept = renew(*arguments)  # type: ignore[arg-type]
        if arguments[-1] == clock.at:  # not one that began before the time went on
            loop.call_soon_threadsafe(renewed.set)
        return kept

    monkeypatch.setattr(relay_module.outbox, "renew", noted)
    phone = Phone()

    async def slow(delivery: Delivery, recipient: Recipient) -> Outcome:
        for _ in range(2):
            clock.at += outbox.LEASE - LITTLE
            renewed.clear()
            await renewed.wait()
        assert await relay(database.factory, {"webchat": phone}, clock()) == 0
        return await phone(delivery, recipient)

    queue(database, resident(database), "甲", "乙")
    assert await relay(database.factory, {"webchat": slow}, clock()) == 2
    assert phone.shown == ["甲", "乙"]
    assert rows(database) == [("甲", "sent", None), ("乙", "sent", None)]


async def test_a_sender_that_stood_still_past_its_lease_sends_no_further_row(
    database: Database, clock: Clock
):
    """Its machine slept: it can neither send what another sent, nor call that a failure."""
    reached, go_on, phone, late = asyncio.Event(), asyncio.Event(), Phone(), Phone()

    async def stopped(delivery: Delivery, recipient: Recipient) -> Outcome:
        reached.set()
        await go_on.wait()
        await late(delivery, recipient)
        return REFUSED

    queue(database, resident(database), "甲", "乙")
    first = asyncio.create_task(relay(database.factory, {"webchat": stopped}, clock()))
    await reached.wait()
    clock.after_the_lease()
    assert await relay(database.factory, {"webchat": phone}, clock()) == 2
    go_on.set()
    await first
    assert (phone.shown, late.shown) == (["甲", "乙"], ["甲"])
    assert rows(database) == [("甲", "sent", None), ("乙", "sent", None)]


async def test_a_send_that_hangs_is_given_up_and_tried_again(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    async def hang(_delivery: Delivery, _recipient: Recipient) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    queue(database, resident(database), "甲")
    with monkeypatch.context() as patch:
        patch.setattr(relay_module, "SEND_SECONDS", 0.01)
        await relay(database.factory, {"webchat": hang}, clock())
    assert rows(database) == [("甲", "queued", "发送时出错")]
    phone = Phone()
    clock.at += dt.timedelta(seconds=outbox.RETRY_SECONDS[0])
    await relay(database.factory, {"webchat": phone}, clock())
    assert phone.shown == ["甲"]
