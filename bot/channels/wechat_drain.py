"""A resident's WeChat messages through the dialogue, and who waits for which reply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import sessionmaker

from bot.channels.drain import Drain, OnNewMessage
from bot.channels.replies import Reply
from bot.channels.waiting import Waiting
from bot.channels.wechat_inward import prepare, say
from bot.platforms.wechat import WeChatApi
from bot.services import answers
from bot.services.clock import now
from bot.services.inbox import Claimed

log = logging.getLogger(__name__)

MISSED = "之前有通知没能送到您的微信，补发如下：\n{texts}"


class WeChatDrain(Drain):
    """The drain of the official account: media first, replies within the time, or later."""

    def __init__(
        self,
        on_new_message: OnNewMessage,
        api: Callable[[], WeChatApi],
        folder: Path,
        factory: sessionmaker | None = None,
    ) -> None:
        super().__init__(on_new_message, factory)
        self._api = api
        self._folder = folder
        self._waiting = Waiting()

    async def wait(self, inbox_id: int, seconds: float) -> list[Reply] | None:
        """Replies to a message once it is handled, by whichever process; None when too late."""
        return await self._waiting.wait(self.factory, inbox_id, seconds)

    async def _handle(self, claimed: Claimed) -> bool:
        finished = await super()._handle(claimed)
        if finished:
            await asyncio.to_thread(answers.queue_late, self.factory, claimed.id, now())
            self._waiting.done(claimed.id)
        return finished

    async def _replies(self, claimed: Claimed) -> list[Reply]:
        replies = await super()._replies(claimed)
        if claimed.message.kind == "event" and not claimed.message.text:
            return replies
        texts = await asyncio.to_thread(
            answers.take_missed, self.factory, claimed.resident_id, claimed.id
        )
        return [say(MISSED.format(texts="\n".join(texts))), *replies] if texts else replies

    async def _run(self, claimed: Claimed) -> list[Reply]:
        prepared = await prepare(self.factory, claimed, self._api(), self._folder)
        if isinstance(prepared, list):
            return prepared
        return await super()._run(prepared)
