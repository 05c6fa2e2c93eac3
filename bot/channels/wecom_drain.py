"""Messages and card taps of staff: each handled once and in order, then the cards are updated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import sessionmaker

from bot.channels import wecom_staff
from bot.channels.drain import OWNER
from bot.channels.wecom_staff import Told
from bot.domain.errors import BadInput, LinliError
from bot.platforms.errors import PlatformError
from bot.platforms.wecom import WeComApi
from bot.services import attachments, cards, members, staff_inbox
from bot.services.clock import now
from bot.services.inbox import Inbound
from bot.services.members import Staff
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
            if not await self._handle(*claimed):
                return

    async def _handle(self, inbox_id: int, message: Inbound) -> bool:
        staff = await asyncio.to_thread(members.by_wecom, self.factory, message.sender)
        if staff is None:
            await self._tell_stranger(message.sender)
            await asyncio.to_thread(staff_inbox.finish, self.factory, inbox_id, None, "", now())
            return True
        try:
            told = await self._told(staff, message)
            await self._update_cards(message, told)
            text = told.text
        except Exception:
            log.exception("message %s of a member failed", inbox_id)
            if await asyncio.to_thread(staff_inbox.give_back, self.factory, inbox_id, now()):
                return False
            text = SORRY
        await asyncio.to_thread(staff_inbox.finish, self.factory, inbox_id, staff.id, text, now())
        return True

    async def _tell_stranger(self, userid: str) -> None:
        """In the organisation's WeCom, but not in our books."""
        try:
            await self._api().send_text(userid, STRANGER.format(userid=userid))
        except PlatformError as error:
            log.warning("a stranger could not be answered: errcode %s", error.errcode)

    async def _told(self, staff: Staff, message: Inbound) -> Told:
        try:
            if message.kind == "image":
                return await self._photo(staff, message)
            return await asyncio.to_thread(self._act, staff, message)
        except LinliError as error:
            return Told(error.text)

    def _act(self, staff: Staff, message: Inbound) -> Told:
        at = now()
        if message.kind == "tap":
            task_id, userid = message.media["task_id"], message.sender
            return wecom_staff.handle_tap(self.factory, staff, userid, task_id, message.text, at)
        if message.kind == "text":
            return wecom_staff.handle_text(self.factory, staff, message.text, at)
        return Told(ONLY_TEXT)

    async def _photo(self, staff: Staff, message: Inbound) -> Told:
        """Fetch a photo (kept by the platform for 3 days) and hold it for the next 办结."""
        try:
            file = await self._api().media(message.media["media_id"])
        except PlatformError as error:
            if error.temporary:
                raise
            raise BadInput(PHOTO_GONE) from error
        await asyncio.to_thread(self._keep, file.data, staff.id)
        return Told(wecom_staff.PHOTO_KEPT)

    def _keep(self, data: bytes, member_id: int) -> None:
        photo = attachments.clean_photo(data)
        attachments.store(self.factory, self._folder, photo, now(), member_id=member_id)

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
