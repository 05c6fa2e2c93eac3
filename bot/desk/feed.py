"""New chat lines, pushed to open pages.

One task polls the database for all open pages of this process, so a hundred pages cost one small
query every 0.4 s. It works the same whoever wrote the line: Rasa, the worker, another desk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

from aiohttp import web
from sqlalchemy.orm import sessionmaker

from bot.services import chat

log = logging.getLogger(__name__)

POLL_SECONDS = 0.4
BATCH = 500


class Feed:
    """Wakes the pages of a resident when the history has grown."""

    def __init__(self, factory: sessionmaker, pause: float = POLL_SECONDS) -> None:
        self._factory, self._pause = factory, pause
        self._pages: dict[int, set[asyncio.Event]] = defaultdict(set)
        self._latest: dict[int, int] = {}
        self.closed = False

    @contextlib.contextmanager
    def page(self, resident_id: int) -> Iterator[asyncio.Event]:
        """An event that is set whenever there may be something new for this resident."""
        wake = asyncio.Event()
        self._pages[resident_id].add(wake)
        try:
            yield wake
        finally:
            self._pages[resident_id].discard(wake)
            if not self._pages[resident_id]:
                del self._pages[resident_id]
                self._latest.pop(resident_id, None)

    async def run(self) -> None:
        """Poll until cancelled; a failed look is written down and tried again."""
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("cannot look for new chat lines")
            await asyncio.sleep(self._pause)

    async def _look(self) -> None:
        waiting = list(self._pages)
        for start in range(0, len(waiting), BATCH):
            part = waiting[start : start + BATCH]
            found = await asyncio.to_thread(chat.latest_ids, self._factory, part)
            for resident_id, newest in found.items():
                if newest != self._latest.get(resident_id) and resident_id in self._pages:
                    self._latest[resident_id] = newest
                    self._wake(resident_id)

    def _wake(self, resident_id: int) -> None:
        for event in self._pages[resident_id]:
            event.set()

    def close(self) -> None:
        """Let every page's stream end, so that the process can stop."""
        self.closed = True
        for resident_id in self._pages:
            self._wake(resident_id)


FEED = web.AppKey("FEED", Feed)


def setup(app: web.Application, factory: sessionmaker) -> None:
    """Start the poll task with the application, and end the streams before it stops."""
    app[FEED] = Feed(factory)
    app.cleanup_ctx.append(_polling)
    app.on_shutdown.append(_close)  # type: ignore[arg-type]  # misdeclared by aiohttp 3.9


async def _polling(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(app[FEED].run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _close(app: web.Application) -> None:
    app[FEED].close()
