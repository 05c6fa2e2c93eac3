"""A member's message acts once and is answered once, however slow or short-lived the process."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot.channels import wecom_drain
from bot.channels.wecom_drain import SORRY, StaffDrain
from bot.channels.wecom_staff import PHOTO_KEPT
from bot.platforms.client import Media
from bot.services import inbox, staff_inbox
from bot.services.inbox import Inbound
from bot.store.models import Attachment, InboxMessage, Member, Outbox
from tests.channels.dialogue import Killed
from tests.clocks import Clock
from tests.databases import Database
from tests.emulators.page import sample_photo
from tests.people import MORNING, holder, open_ticket, resident, ticket

LITTLE = dt.timedelta(seconds=1)


class Platform:
    """WeCom as far as photos go: it takes its time, or does worse."""

    def __init__(self) -> None:
        self.asked = 0
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()
        self.fail: BaseException | None = None

    async def media(self, _media_id: str) -> Media:
        self.asked += 1
        self.reached.set()
        await self.go_on.wait()
        if self.fail is not None:
            raise self.fail
        return Media(sample_photo(), "image/jpeg")


class Desk:
    """Stored messages of one member, and what became of them."""

    def __init__(self, database: Database, folder: Any) -> None:
        self.database, self.folder, self.platform = database, folder, Platform()
        self.number = open_ticket(database, resident(database)).number
        self.member = holder(database, self.number)
        with database.factory.begin() as session:
            named = update(Member).where(Member.id == self.member).values(wecom_userid="linli")
            session.execute(named)

    def says(self, key: str, text: str = "", kind: str = "text") -> None:
        message = Inbound("wecom", key, "linli", text, kind, {"media_id": "m"})
        staff_inbox.receive(self.database.factory, message, MORNING)

    async def drain(self) -> None:
        """One more process, which has nothing but the database."""
        api: Any = self.platform
        drain = StaffDrain(lambda: api, self.folder, self.database.factory)
        await drain._drain("linli")

    def claim(self, now: dt.datetime) -> inbox.Try | None:
        return staff_inbox.claim_next(self.database.factory, "linli", owner="other", now=now)

    @property
    def told(self) -> list[str]:
        with self.database.factory() as session:
            found = select(Outbox.payload).where(Outbox.kind == "reply").order_by(Outbox.id)
            return [payload["text"] for payload in session.scalars(found)]

    @property
    def photos(self) -> int:
        with self.database.factory() as session:
            return session.scalar(select(func.count(Attachment.id))) or 0

    @property
    def unfinished(self) -> int:
        with self.database.factory() as session:
            rest = select(func.count(InboxMessage.id)).where(InboxMessage.status != "done")
            return session.scalar(rest) or 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(inbox.LEASE)
    monkeypatch.setattr(wecom_drain, "now", clock)
    return clock


@pytest.fixture
def desk(database: Database, clock: Clock, tmp_path: Any) -> Desk:
    return Desk(database, tmp_path)


async def test_a_slow_photo_keeps_its_message(desk: Desk, clock: Clock, monkeypatch):
    monkeypatch.setattr(wecom_drain, "RENEW_SECONDS", 0.001)
    loop, renewed, renew = asyncio.get_running_loop(), asyncio.Event(), inbox.renew

    def noted(*arguments: object) -> bool:
        kept = renew(*arguments)  # type: ignore[arg-type]
        if arguments[-1] == clock.at:  # not one that began before the time went on
            loop.call_soon_threadsafe(renewed.set)
        return kept

    monkeypatch.setattr(wecom_drain.inbox, "renew", noted)
    desk.says("k1", kind="image")
    desk.platform.go_on.clear()
    first = asyncio.create_task(desk.drain())
    await desk.platform.reached.wait()
    for _ in range(2):
        clock.at += inbox.LEASE - LITTLE
        renewed.clear()
        await renewed.wait()
    await desk.drain()
    desk.platform.go_on.set()
    await first
    assert (desk.told, desk.photos, desk.platform.asked) == ([PHOTO_KEPT], 1, 1)


async def test_a_try_that_stood_still_past_its_lease_does_nothing_more(desk: Desk, clock: Clock):
    desk.says("k1", kind="image")
    desk.says("k2", "接单")
    desk.platform.go_on.clear()
    first = asyncio.create_task(desk.drain())
    await desk.platform.reached.wait()
    clock.after_the_lease()
    other = desk.claim(clock())
    assert other is not None and other.attempt == 2
    desk.platform.go_on.set()
    await first
    assert (desk.told, desk.photos, desk.unfinished) == ([], 0, 2)
    assert desk.claim(clock() + inbox.LEASE - LITTLE) is None, "the other one still has it"

    clock.after_the_lease()
    await desk.drain()
    assert desk.told[0] == PHOTO_KEPT and desk.told[1].startswith("已接单")
    assert (desk.photos, ticket(desk.database, desk.number).status) == (1, "accepted")


async def test_a_step_is_taken_by_the_try_that_has_the_message_only(
    desk: Desk, clock: Clock, monkeypatch
):
    """The message is lost between its claim and the step."""
    desk.says("k1", "接单")
    act = wecom_drain.wecom_staff.handle_text

    def late(*arguments: Any) -> Any:
        clock.after_the_lease()
        assert desk.claim(clock()) is not None
        return act(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(wecom_drain.wecom_staff, "handle_text", late)
        await desk.drain()
    assert (desk.told, ticket(desk.database, desk.number).status) == ([], "dispatched")

    clock.after_the_lease()
    await desk.drain()
    assert len(desk.told) == 1 and desk.told[0].startswith("已接单")
    assert ticket(desk.database, desk.number).status == "accepted"


async def test_neither_end_of_a_lost_try_changes_the_message(desk: Desk, clock: Clock):
    desk.says("k1", "接单")
    factory = desk.database.factory
    lost = desk.claim(clock())
    clock.after_the_lease()
    mine = desk.claim(clock())
    assert lost is not None and mine is not None
    inbox.give_back(factory, lost, clock())
    assert not inbox.renew(factory, lost, clock())
    assert not staff_inbox.finish(factory, lost, desk.member, "甲", clock())
    assert desk.claim(clock() + inbox.LEASE / 2) is None, "its lease was not shortened"
    assert staff_inbox.finish(factory, mine, desk.member, "乙", clock())
    assert desk.told == ["乙"]


@pytest.mark.parametrize("how", [RuntimeError("broken"), Killed()])
async def test_what_fails_or_kills_each_time_is_answered_in_the_end(desk: Desk, clock: Clock, how):
    desk.says("k1", kind="image")
    desk.says("k2", "接单")
    desk.platform.fail = how
    for _ in range(inbox.MAX_ATTEMPTS):
        try:
            await desk.drain()
        except Killed:
            assert isinstance(how, Killed)
        clock.after_the_lease()
    await desk.drain()
    assert desk.told[0] == SORRY and desk.told[1].startswith("已接单")
    assert desk.platform.asked == inbox.MAX_ATTEMPTS
