"""Run the dialogue for a sender's stored messages: in order, one at a time, each once.

`inbox.claim_next` leases the oldest unfinished message; `inbox.finish` stores its replies. Between
the two any process may die. Rasa saves a turn in one commit at its end, so a second attempt first
looks whether the turn is in the tracker: then its replies are read back and nothing runs twice.
What an action did in a turn that was not saved is met again under the same idempotency key.
While a try runs it renews its lease. Should it lose the message all the same, its turn is not saved
(`turns.py`) and its end changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.channel import UserMessage
from sqlalchemy.orm import sessionmaker

from bot.channels import turns
from bot.channels.inward import for_dialogue
from bot.channels.replies import Replies, Reply
from bot.channels.tracker import forget_deleted, turn
from bot.channels.turns import TakenOver, TurnEnded
from bot.services import inbox
from bot.services.clock import now
from bot.services.inbox import Claimed
from bot.services.lease import renewed
from bot.store.db import session_factory

log = logging.getLogger(__name__)

OnNewMessage = Callable[[UserMessage], Awaitable[Any]]
SORRY = "系统繁忙，您的消息已收到，稍后会有工作人员联系您"
FALLBACK: Reply = {"kind": "text", "text": SORRY, "buttons": [], "card": None, "image": None}
# Turns at once in a process. A turn is mostly computing: more at once finish no sooner, but every
# acknowledgement would wait behind all of them, and a claimed message could outwait its lease.
TURNS = 8
TURN_SECONDS = 25.0  # a dialogue that takes longer hangs
RENEW_SECONDS = inbox.LEASE.total_seconds() / 3
OWNER = f"{socket.gethostname()}:{os.getpid()}"


def message_id(claimed: Claimed) -> str:
    """What names the message in the tracker and in the actions' idempotency keys."""
    return f"{claimed.message.channel}:{claimed.message.key}"


class Drain:
    """Drains senders in background tasks."""

    def __init__(self, on_new_message: OnNewMessage, factory: sessionmaker | None = None) -> None:
        self._on_new_message = on_new_message
        self._factory = factory
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(TURNS)
        # Drains that have not claimed anything yet: whatever is stored by now, they will find.
        self._queued: dict[tuple[str, str], asyncio.Task[None]] = {}

    @property
    def factory(self) -> sessionmaker:
        """Sessions; made on first use, for Rasa also builds channels where no database is."""
        return self._factory or session_factory()

    def start(self, channel: str, sender: str) -> asyncio.Task[None]:
        """Drain in the background. Two drains of a sender at once do no harm: one finds nothing."""
        address = (channel, sender)
        if address in self._queued:
            return self._queued[address]
        task = asyncio.create_task(self.drain(channel, sender))
        self._queued[address] = task
        self._tasks.add(task)  # a task without a reference may be dropped half done
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, channel: str, sender: str) -> None:
        """Handle the sender's messages until none is left, or one has to be tried again later."""
        while await self._next(channel, sender):
            pass

    async def _next(self, channel: str, sender: str) -> bool:
        """Handle one message when it is its turn; False when there is nothing more to do now."""
        async with self._turns:
            self._queued.pop((channel, sender), None)
            claimed = await asyncio.to_thread(
                inbox.claim_next, self.factory, channel, sender, owner=OWNER, now=now()
            )
            return claimed is not None and await self._handle(claimed)

    async def _handle(self, claimed: Claimed) -> bool:
        """One message; False when it was given back."""
        try:
            async with renewed(lambda: inbox.renew(self.factory, claimed, now()), RENEW_SECONDS):
                replies = await self._replies(claimed)
        except TakenOver as lost:
            log.warning("%s", lost)
            return False
        except (Exception, TurnEnded):
            log.exception("message %s failed at attempt %s", claimed.id, claimed.attempt)
            if claimed.attempt < inbox.MAX_ATTEMPTS:
                await asyncio.to_thread(inbox.give_back, self.factory, claimed, now())
                return False
            replies = []
        answer = replies or [FALLBACK]
        if not await asyncio.to_thread(inbox.finish, self.factory, claimed, answer, now()):
            return False
        sender = claimed.message.sender
        await asyncio.to_thread(forget_deleted, self.factory, claimed.resident_id, sender)
        return True

    async def _replies(self, claimed: Claimed) -> list[Reply]:
        if claimed.attempt > 1:
            sender = claimed.message.sender
            done = await asyncio.to_thread(turn, self.factory, sender, message_id(claimed))
            if done is not None:
                return done
        if claimed.attempt > inbox.MAX_ATTEMPTS:  # whoever ran it died of it, time and again
            return []
        return await self._run(claimed)

    async def _run(self, claimed: Claimed) -> list[Reply]:
        message = claimed.message
        output = Replies()
        heard = UserMessage(
            for_dialogue(message),
            output,
            message.sender,
            input_channel=message.channel,
            message_id=message_id(claimed),
            metadata={"kind": message.kind, "label": message.media.get("label")},
        )
        with turns.of(claimed):
            await asyncio.wait_for(self._on_new_message(heard), TURN_SECONDS)
        return output.replies
