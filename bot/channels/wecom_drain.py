"""Messages and card taps of staff: each handled once and in order, then the cards are updated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import sessionmaker

from bot.channels import wecom_staff
from bot.channels.drain import OWNER, RENEW_SECONDS
from bot.channels.wecom_staff import Told
from bot.domain.errors import BadInput, LinliError
from bot.platforms.errors import PlatformError
from bot.platforms.wecom import WeComApi
from bot.services import attachments, cards, inbox, members, staff_inbox
from bot.services.clock import now
from bot.services.inbox import Inbound, Try
from bot.services.lease import renewed
from bot.services.members import Staff
from bot.services.staff_inbox import TakenOver
from bot.store.db import session_factory

log = logging.getLogger(__name__)

PHOTO_GONE = "这张照片没能收到，请再发一次。"
ONLY_TEXT = "请发文字或照片。" + wecom_staff.HELP
STRANGER = "没有找到您的工作人员账号：请社区管理员登记您的企业微信 userid（{userid}）。"
SORRY = "系统繁忙，刚才的操作没有成功，请稍后再试。"


class StaffDrain:
    """Drains the messages of members in background tasks."""

    def __init__(
        self, api: Callable[[], WeComApi], folder: Path, factory: sessionmaker | None = None
    ) -> None:
        self._api = api
        self._folder = folder
        self._factory = factory
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def factory(self) -> sessionmaker:
        """Sessions; made on first use."""
        return self._factory or session_factory()

    def start(self, userid: str) -> None:
        """Drain in the background."""
        task = asyncio.create_task(self._drain(userid))
        self._tasks.add(task)  # a task without a reference may be dropped half done
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, userid: str) -> None:
        while claimed := await asyncio.to_thread(
            staff_inbox.claim_next, self.factory, userid, owner=OWNER, now=now()
        ):
            if not await self._handle(claimed):
                return

    async def _handle(self, claimed: Try) -> bool:
        """One message; False when it was given back, or is another's by now."""
        staff = await asyncio.to_thread(members.by_wecom, self.factory, claimed.message.sender)
        try:
            async with renewed(lambda: inbox.renew(self.factory, claimed, now()), RENEW_SECONDS):
                text = await self._text(staff, claimed)
        except TakenOver as lost:
            log.warning("%s", lost)
            return False
        except Exception:
            log.exception("message %s of a member failed", claimed.id)
            if claimed.attempt < inbox.MAX_ATTEMPTS:
                await asyncio.to_thread(inbox.give_back, self.factory, claimed, now())
                return False
            text = SORRY
        member_id = staff.id if staff else None
        return await asyncio.to_thread(
            staff_inbox.finish, self.factory, claimed, member_id, text, now()
        )

    async def _text(self, staff: Staff | None, claimed: Try) -> str:
        """Do what the message asks for; what the member is told."""
        if staff is None:
            await self._tell_stranger(claimed.message.sender)
            return ""
        if claimed.attempt > inbox.MAX_ATTEMPTS:  # whoever ran it died of it, time and again
            return SORRY
        told = await self._told(staff, claimed)
        await self._update_cards(claimed.message, told)
        return told.text

    async def _tell_stranger(self, userid: str) -> None:
        """In the organisation's WeCom, but not in our books."""
        try:
            await self._api().send_text(userid, STRANGER.format(userid=userid))
        except PlatformError as error:
            log.warning("a stranger could not be answered: errcode %s", error.errcode)

    async def _told(self, staff: Staff, claimed: Try) -> Told:
        mine = staff_inbox.while_held(self.factory, claimed, now)
        try:
            if claimed.message.kind == "image":
                return await self._photo(mine, staff, claimed.message)
            return await asyncio.to_thread(self._act, mine, staff, claimed.message)
        except LinliError as error:
            return Told(error.text)

    def _act(self, mine: sessionmaker, staff: Staff, message: Inbound) -> Told:
        at = now()
        if message.kind == "tap":
            task_id, userid = message.media["task_id"], message.sender
            return wecom_staff.handle_tap(mine, staff, userid, task_id, message.text, at)
        if message.kind == "text":
            return wecom_staff.handle_text(mine, staff, message.text, at)
        return Told(ONLY_TEXT)

    async def _photo(self, mine: sessionmaker, staff: Staff, message: Inbound) -> Told:
        """Fetch a photo (kept by the platform for 3 days) and hold it for the next 办结."""
        try:
            file = await self._api().media(message.media["media_id"])
        except PlatformError as error:
            if error.temporary:
                raise
            raise BadInput(PHOTO_GONE) from error
        await asyncio.to_thread(self._keep, mine, file.data, staff.id)
        return Told(wecom_staff.PHOTO_KEPT)

    def _keep(self, mine: sessionmaker, data: bytes, member_id: int) -> None:
        photo = attachments.clean_photo(data)
        attachments.store(mine, self._folder, photo, now(), member_id=member_id)

    async def _update_cards(self, message: Inbound, told: Told) -> None:
        """Take the buttons away: on the tapped card, then on the other phones."""
        code = message.media.get("response_code")
        if told.own_card and code:
            await self._update(code, told.own_card)
            await asyncio.to_thread(cards.close, self.factory, message.media["task_id"], now())
        if not told.other_cards:
            return
        for card in await asyncio.to_thread(cards.take_open, self.factory, told.number, now()):
            words = told.own_card if card.user == message.sender else told.other_cards
            await self._update(card.response_code, words)

    async def _update(self, code: str, words: str) -> None:
        """A card that stays as it was is a blemish, no loss: the step itself is done."""
        try:
            await self._api().update_card(code, words)
        except PlatformError as error:
            log.warning("a card could not be updated: errcode %s", error.errcode)
