"""Staff work from cards and messages of the emulated WeCom, without opening the desk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest_asyncio
from sqlalchemy import select, update

from bot.channels import webchat, wecom, wecom_drain
from bot.services import residents
from bot.services.clock import now
from bot.services.intake import Draft, open_ticket
from bot.store.models import Attachment, InboxMessage, Member, OrgNode, Outbox, Resident, Ticket
from bot.worker.relay import relay, webchat_sender
from bot.worker.wecom import robot_sender, wecom_sender
from tests.channels.conftest import AES_KEY, AGENT_ID, CORPID, SECRET, TOKEN
from tests.channels.house import Dialogue, make_settings, serve, until
from tests.databases import Database
from tests.emulators.base import message_xml
from tests.emulators.page import sample_photo
from tests.emulators.wecom import WeComEmulator


@dataclass
class Office:
    """The service and the staff's phones."""

    emulator: WeComEmulator
    database: Database
    config: Any
    http: aiohttp.ClientSession

    async def relay(self) -> None:
        """Send all that is due."""
        factory = self.database.factory
        senders = {
            "wecom": wecom_sender(factory, self.http, self.config),
            "robot": robot_sender(factory, self.http, self.config),
            "webchat": webchat_sender(factory),
        }
        while await relay(factory, senders):
            pass

    def rows(self, table: Any, *where: Any) -> list[Any]:
        with self.database.factory() as session:
            return list(session.scalars(select(table).where(*where).order_by(table.id)))

    @property
    def ticket(self) -> Ticket:
        return self.rows(Ticket)[-1]

    def open_ticket(self, key: str = "k1", item: str = "housing/leak_repair") -> None:
        factory = self.database.factory
        at = now()
        with factory.begin() as session:
            resident = residents.ensure(session, "webchat", "visitor", at)
            resident.consent_at = at
        open_ticket(
            factory,
            Draft(
                resident_id=self.rows(Resident)[0].id,
                item_key=item,
                description="厨房水管漏水，水流到楼下",
                building_id=self.database.building_id("xingfuli_3"),
            ),
            idempotency_key=key,
            now=at,
        )

    def holder(self) -> str:
        """The user id of whoever has the ticket, made reachable in WeCom."""
        return self.rows(Member, Member.id == self.ticket.assignee_id)[0].wecom_userid

    async def say(self, user: str, text: str) -> str:
        """Say something and get the answer."""
        await self.emulator.say(user, text)
        return await self.answer(user)

    async def answer(self, user: str) -> str:
        await self.settle()
        return self.emulator.got(user)[-1]

    async def settle(self) -> None:
        await until(lambda: not self.rows(InboxMessage, InboxMessage.status != "done"))
        await self.relay()


@pytest_asyncio.fixture
async def office(
    sqlite_database, wecom_emulator, http, unused_tcp_port_factory, monkeypatch, tmp_path
) -> AsyncIterator[Office]:
    config = make_settings(
        database_url=sqlite_database.url,
        attachments_dir=tmp_path / "attachments",
        wecom_corpid=CORPID,
        wecom_agent_id=AGENT_ID,
        wecom_secret=SECRET,
        wecom_token=TOKEN,
        wecom_aes_key=AES_KEY,
        wecom_api_base=wecom_emulator.base,
    )
    monkeypatch.setattr(wecom, "settings", lambda: config)
    monkeypatch.setattr(webchat, "settings", lambda: config)
    monkeypatch.setattr(wecom_drain, "session_factory", lambda: sqlite_database.factory)
    with sqlite_database.factory.begin() as session:
        for member in session.scalars(select(Member)):
            member.wecom_userid, member.duty = member.key.lower(), []
            wecom_emulator.members.add(member.key.lower())
            wecom_emulator.phones.setdefault(member.key.lower(), [])
    address, stop = await serve(wecom.WeCom(), Dialogue(), unused_tcp_port_factory())
    wecom_emulator.caller.callback.url = address
    yield Office(wecom_emulator, sqlite_database, config, http)
    await stop()


@pytest_asyncio.fixture
async def task(office) -> tuple[Office, str, str]:
    """A dispatched ticket, its holder, and the card on the holder's phone."""
    office.open_ticket()
    await office.relay()
    user = office.holder()
    return office, user, office.emulator.cards_of(user)[-1]["task_id"]


async def test_url_check_answers_the_bare_text(office):
    status, answer, echo = await office.emulator.check_url()
    assert (status, answer) == (200, echo)


async def test_forged_calls_are_refused(office):
    fields = {"ToUserName": CORPID, "FromUserName": "x", "CreateTime": 1, "MsgType": "text"}
    xml = message_xml({**fields, "Content": "接单", "MsgId": 1})
    caller = office.emulator.caller
    for timestamp, change in (
        (str(int(time.time())), {"msg_signature": "0" * 40}),
        (str(int(time.time()) - 900), {}),
    ):
        query, body = caller.request(xml, timestamp, "n")
        async with office.http.post(
            caller.callback.url, params={**query, **change}, data=body
        ) as r:
            assert r.status == 403
    async with office.http.post(caller.callback.url, data=xml) as answer:
        assert answer.status == 403
    async with office.http.post(caller.callback.url, data="no xml") as answer:
        assert answer.status == 400
    assert office.rows(InboxMessage) == []


async def test_whole_loop_by_cards_and_words(task):
    office, user, card = task
    shown = office.emulator.card(user, card)
    assert [b["text"] for b in shown["button_list"]] == ["接单", "退单", "详情"]
    await office.emulator.press(user, card, "accept")
    assert "已接单" in await office.answer(user)
    assert shown["replaced"] == "已接单"
    assert office.ticket.status == "accepted"
    assert "已记录" in await office.say(user, "已联系 约了下午三点上门")
    await office.emulator.photo(user, sample_photo())
    assert "照片已收到" in await office.answer(user)
    assert "附照片 1 张" in await office.say(user, "办结 厨房水管已修好")
    assert (office.ticket.status, office.ticket.resolution) == ("resolved", "厨房水管已修好")
    assert office.rows(Attachment)[0].ticket_id == office.ticket.id


async def test_details_keep_the_number_masked(task):
    office, user, card = task
    await office.emulator.press(user, card, "detail")
    answer = await office.answer(user)
    assert "厨房水管漏水" in answer and "派单理由" in answer
    assert office.ticket.status == "dispatched"


async def test_return_needs_a_reason_and_moves_the_card(task):
    office, user, card = task
    await office.emulator.press(user, card, "return")
    assert "退单原因" in await office.answer(user)
    assert "原因" in await office.say(user, "退单")
    assert "已退单" in await office.say(user, "退单 不属于本网格")
    assert office.emulator.card(user, card)["replaced"]
    other = office.holder()
    assert other != user and office.emulator.cards_of(other)


async def test_of_two_racing_the_second_is_told(task):
    """The ticket went to someone else, who took it; the first holder's tap comes too late."""
    office, first, card = task
    await office.say(first, "退单 忙不过来")
    office.emulator.card(first, card).pop("replaced")  # a phone that has not been updated yet
    second = office.holder()
    await asyncio.gather(
        office.emulator.press(second, office.emulator.cards_of(second)[-1]["task_id"], "accept"),
        office.emulator.press(first, card, "accept"),
    )
    assert (
        "已被接单" in await office.answer(first) or "已转给他人" in office.emulator.got(first)[-1]
    )
    assert "已接单" in office.emulator.got(second)[-1]
    assert office.emulator.card(first, card)["replaced"] in {"已被接单", "已转给他人"}
    assert office.holder() == second


async def test_tapping_twice_is_once(task):
    office, user, card = task
    await office.emulator.press(user, card, "accept")
    await office.settle()
    await office.emulator.press(user, card, "accept")
    assert "已接单" in await office.answer(user)
    assert office.ticket.status == "accepted"


async def test_a_card_of_someone_else_does_nothing(task):
    office, user, card = task
    thief = next(m for m in office.emulator.members if m not in {user, "zhangsan", "lisi"})
    office.emulator.cards.append(
        type(office.emulator.cards[0])(thief, {**office.emulator.card(user, card)}, 0)
    )
    await office.emulator.press(thief, card, "accept")
    assert "失效" in await office.answer(thief)
    assert office.ticket.status == "dispatched"


async def test_words_for_several_tickets_need_a_number(office):
    office.open_ticket("k1")
    office.open_ticket("k2")
    await office.relay()
    first, second = office.rows(Ticket)
    with office.database.factory.begin() as session:
        session.execute(update(Ticket).values(assignee_id=first.assignee_id))
    user = office.holder()
    assert "请带上编号" in await office.say(user, "接单")
    assert first.number in await office.say(user, "我的任务")
    assert second.number in await office.say(user, f"接单 {second.number[-4:]}")
    assert [t.status for t in office.rows(Ticket)] == ["dispatched", "accepted"]


async def test_words_that_fit_nothing(task):
    office, user, _ = task
    assert "可以这样回复" in await office.say(user, "今天天气不错")
    assert "没有可以这样操作" in await office.say(user, "办结 修好了")


async def test_strangers_are_told_what_to_do(office):
    office.emulator.members.add("newcomer")
    office.emulator.phones["newcomer"] = []
    await office.emulator.say("newcomer", "接单")
    assert "newcomer" in await office.answer("newcomer")


async def test_a_retry_of_the_platform_acts_once(task):
    office, user, _ = task
    caller = office.emulator.caller
    fields = {
        "ToUserName": CORPID,
        "FromUserName": user,
        "CreateTime": int(time.time()),
        "MsgType": "text",
        "Content": "接单",
        "MsgId": 77,
    }
    for _ in range(3):
        query, body = caller.request(message_xml(fields), str(int(time.time())), "n")
        async with office.http.post(caller.callback.url, params=query, data=body) as answer:
            assert answer.status == 200
    await office.settle()
    assert len([t for t in office.emulator.got(user) if t.startswith("已接单")]) == 1


async def test_the_grids_group_is_told_without_personal_data(office):
    office.emulator.robots["grid-robot"] = []
    with office.database.factory.begin() as session:
        session.execute(update(OrgNode).values(robot_key="grid-robot"))
    office.open_ticket()
    await office.relay()
    (text,) = office.emulator.robots["grid-robot"]
    assert office.ticket.number in text and "厨房水管" not in text


async def test_private_matters_are_not_told_to_a_group(office):
    office.emulator.robots["grid-robot"] = []
    with office.database.factory.begin() as session:
        session.execute(update(OrgNode).values(robot_key="grid-robot"))
    office.open_ticket(item="family_crisis/domestic_violence")
    await office.relay()
    assert office.emulator.robots["grid-robot"] == []


async def test_a_card_sent_by_a_try_that_died_is_not_sent_again(task):
    office, user, _ = task
    with office.database.factory.begin() as session:
        session.execute(
            update(Outbox)
            .where(Outbox.kind == "task_card")
            .values(status="inflight", lease_until=now())
        )
    office.emulator.recent.clear()
    await office.relay()
    assert len(office.emulator.cards_of(user)) == 1
    assert {r.status for r in office.rows(Outbox, Outbox.kind == "task_card")} == {"sent"}


async def test_unreachable_member_is_visible_with_the_reason(office):
    office.open_ticket()
    user = office.holder()
    office.emulator.members.discard(user)
    await office.relay()
    row = office.rows(Outbox, Outbox.kind == "task_card")[0]
    assert (row.status, row.errcode) == ("failed", 81013)
    assert "可见范围" in row.error
