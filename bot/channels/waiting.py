"""Waiting for a stored message to be handled, by this process or another."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy.orm import sessionmaker

from bot.services import answers

# Another process may handle the message: then only the database says when it is done.
POLL_SECONDS = 1.0


class Waiting:
    """Who waits for which message in this process."""

    def __init__(self) -> None:
        self._events: dict[int, asyncio.Event] = {}

    def done(self, inbox_id: int) -> None:
        """The message is handled: wake who waits for it."""
        if event := self._events.get(inbox_id):
            event.set()

    async def wait(
        self, factory: sessionmaker, inbox_id: int, seconds: float
    ) -> list[dict[str, Any]] | None:
        """Replies to a message once it is handled; None when that takes longer."""
        event = self._events.setdefault(inbox_id, asyncio.Event())
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            while True:
                status, replies = await asyncio.to_thread(answers.result, factory, inbox_id)
                left = end - loop.time()
                if status in {"done", "failed"} or left <= 0:
                    return replies if status == "done" else None
                await _heard(event, min(left, POLL_SECONDS))
        finally:
            self._events.pop(inbox_id, None)


async def _heard(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return
