"""Taps in the emulated WeChat, through real rendering and the real dialogue, land on the ticket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from bot.services import staff_steps
from bot.services.clock import now
from bot.store.models import Resident, Ticket
from tests.channels.house import until
from tests.channels.wechat_town import town
from tests.databases import Database
from tests.emulators.wechat import WeChatEmulator

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]
PATIENCE = 90.0  # a reply that takes longer than the platform waits comes as a message of its own


@dataclass
class Phone:
    """One resident's phone, and the books behind it."""

    emulator: WeChatEmulator
    database: Database
    user: str

    async def say(self, text: str, *, hears: str) -> None:
        await self._then(self.emulator.say(self.user, text), hears)

    async def tap(self, label: str, *, hears: str) -> None:
        await self._then(self.emulator.tap(self.user, label), hears)

    async def _then(self, deed, hears: str) -> None:
        before = len(self.emulator.got(self.user))
        await deed
        await self.hears(hears, before)

    async def hears(self, words: str, after: int) -> None:
        def heard() -> bool:
            return words in "\n".join(self.emulator.got(self.user)[after:])

        try:
            await asyncio.wait_for(until(heard), PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(f"{words!r} is not in {self.emulator.got(self.user)}") from None

    def ticket(self) -> Ticket:
        with self.database.factory() as session:
            mine = select(Ticket).join(Resident, Ticket.resident_id == Resident.id)
            return session.scalars(mine.where(Resident.external_id == self.user)).one()

    async def resolved(self) -> None:
        """The staff do their part; the resident is asked to rate."""
        before = len(self.emulator.got(self.user))
        ticket, factory = self.ticket(), self.database.factory
        if ticket.status == "dispatched":
            staff_steps.accept(factory, ticket.number, ticket.assignee_id, now())
        staff_steps.contact(factory, ticket.number, ticket.assignee_id, "已联系", now())
        staff_steps.resolve(factory, ticket.number, ticket.assignee_id, "已换水管", now())
        await self.hears("请您评一评", before)


async def files_reopens_and_rates(phone: Phone) -> None:
    await phone.say("3号楼2单元501厨房漏水，楼上不管", hears="哪个小区")
    await phone.tap("杏林苑3号楼", hears="杏林苑3号楼2单元501室")
    await phone.tap("确认提交", hears="工单号")
    await phone.resolved()
    await phone.tap("没解决", hears="已重新办理")
    assert (phone.ticket().status, phone.ticket().reopen_count) == ("reopened", 1)
    await phone.resolved()
    await phone.tap("很满意", hears="感谢评价")
    ticket = phone.ticket()
    assert (ticket.status, ticket.stars, ticket.solved) == ("closed", 5, True)
    # Messages keep their order, so a second telling would be on the phone by now.
    told = [text for text in phone.emulator.got(phone.user) if "重新办理" in text]
    assert len(told) == 1, told


async def urges_and_rates_by_digit(phone: Phone) -> None:
    """Where the account may not use menus, choices of a notice are numbered."""
    await phone.say("幸福里5号楼暖气不热，屋里才14度", hears="请核对")
    await phone.tap("改一改", hears="哪里不对")
    await phone.say("是幸福里3号楼", hears="幸福里3号楼")
    await phone.tap("确认提交", hears="工单号")
    await phone.say("我的工单到哪一步了", hears="状态")
    await phone.tap("催一催", hears=f"已替您催办工单 {phone.ticket().number}")
    phone.emulator.msgmenu_allowed = False
    await phone.resolved()
    assert "3. 一般" in phone.emulator.got(phone.user)[-1]
    await phone.say("3", hears="解决了吗")
    await phone.tap("已解决", hears="感谢评价")
    ticket = phone.ticket()
    assert (ticket.status, ticket.stars, ticket.solved) == ("closed", 3, True)


async def test_what_residents_tap_lands_on_their_tickets(trained_model, sqlite_database, tmp_path):
    models = str(trained_model.parent)
    async with town(tmp_path, sqlite_database.url, LINLI_MODELS_DIR=models) as running:
        await files_reopens_and_rates(Phone(running.emulator, sqlite_database, "openid-zhang"))
        await urges_and_rates_by_digit(Phone(running.emulator, sqlite_database, "openid-li"))
