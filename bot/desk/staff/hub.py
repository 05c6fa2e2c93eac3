"""Live arrival: one task asks for news, every open desk of this process hears of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator

from aiohttp import web
from sqlalchemy.orm import sessionmaker

from bot.desk.keys import FACTORY
from bot.desk.staff.access import staff_of, still_in
from bot.services import live
from bot.services.live import Change, News

log = logging.getLogger(__name__)
POLL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 20
MAX_WAITING = 100  # news that a page has not taken yet

routes = web.RouteTableDef()


class Hub:
    """Queues of news, one for each open page."""

    def __init__(self, factory: sessionmaker, pause: float = POLL_SECONDS) -> None:
        self._factory, self._pause = factory, pause
        self._pages: dict[int, set[asyncio.Queue[News | None]]] = {}

    @contextlib.contextmanager
    def page(self, member_id: int) -> Iterator[asyncio.Queue[News | None]]:
        """News for a member while the page is open; None when the process stops."""
        queue: asyncio.Queue[News | None] = asyncio.Queue(MAX_WAITING)
        self._pages.setdefault(member_id, set()).add(queue)
        try:
            yield queue
        finally:
            self._pages[member_id].discard(queue)
            if not self._pages[member_id]:
                del self._pages[member_id]

    async def run(self) -> None:
        """Ask until cancelled; a failed look is written down and tried again."""
        cursor = None
        while True:
            try:
                if cursor is None:
                    cursor = await asyncio.to_thread(live.start, self._factory)
                found = await asyncio.to_thread(live.news, self._factory, cursor, list(self._pages))
                for member_id, news in found.items():
                    self._put(member_id, news)
            except Exception:
                log.exception("cannot look for news of the desk")
            await asyncio.sleep(self._pause)

    def _put(self, member_id: int, news: News | None) -> None:
        for queue in self._pages.get(member_id, ()):
            with contextlib.suppress(asyncio.QueueFull):  # a page that is gone, not yet noticed
                queue.put_nowait(news)

    def close(self) -> None:
        """End every stream, so that the process can stop."""
        for member_id in list(self._pages):
            self._put(member_id, None)


HUB = web.AppKey("HUB", Hub)


@routes.get("/stream")
async def stream(request: web.Request) -> web.StreamResponse:
    """Server-sent events: `alert` with words, `change` with tickets and their newest event.

    `since` is the newest event that the page shows; a page that comes back goes on from its last.
    """
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    await response.prepare(request)
    with (
        request.app[HUB].page(staff_of(request).id) as queue,
        contextlib.suppress(ConnectionResetError),
    ):
        await response.write(b"retry: 2000\nevent: hello\ndata: {}\n\n")
        await _catch_up(request, response)
        await _pass_on(request, response, queue)
    return response


async def _catch_up(request: web.Request, response: web.StreamResponse) -> None:
    """What happened between the reading of the page and this connection."""
    for text in (request.headers.get("Last-Event-ID", ""), request.query.get("since", "")):
        if text.isascii() and text.isdigit() and len(text) < 16:
            factory, me = request.app[FACTORY], staff_of(request).id
            changes = await asyncio.to_thread(live.changes_since, factory, me, int(text))
            await _send_changes(response, changes)
            return


async def _send_changes(response: web.StreamResponse, changes: tuple[Change, ...]) -> None:
    if changes:
        last = max(change.event for change in changes)
        body = _event("change", {change.number: change.event for change in changes})
        await response.write(f"id: {last}\n".encode() + body)


async def _pass_on(
    request: web.Request, response: web.StreamResponse, queue: asyncio.Queue[News | None]
) -> None:
    while True:
        try:
            news = await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
        except asyncio.TimeoutError:
            await response.write(b": here\n\n")
            if not await still_in(request):  # logged out, or deactivated
                return
            continue
        if news is None:
            return
        for alert in news.alerts:
            await response.write(_event("alert", alert))
        await _send_changes(response, news.changed)


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


async def polling(app: web.Application) -> AsyncIterator[None]:
    """Run the poll task with the application."""
    task = asyncio.create_task(app[HUB].run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def close(app: web.Application) -> None:
    """Let go of the streams before shutdown waits for them."""
    app[HUB].close()
