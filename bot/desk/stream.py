"""The event stream of one open chat page (server-sent events)."""

from __future__ import annotations

import asyncio
import contextlib
import json

from aiohttp import web

from bot.desk import visitor
from bot.desk.feed import FEED
from bot.desk.keys import FACTORY
from bot.desk.lines import as_json
from bot.services import chat

KEEP_ALIVE_SECONDS = 15
SECOND_LOOK_SECONDS = 1.5
FAREWELL_SECONDS = 5
# Ids are given before commit: a line may appear after one with a greater id. So each look goes
# back a little, and what was sent already is left out.
OVERLAP = 200
RESET = b"id: 0\nevent: reset\ndata: deleted\n\n"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold the lines back
}


class Cursor:
    """What this page has been sent."""

    def __init__(self, last: int) -> None:
        self.last = last
        self._start = last
        self._sent: set[int] = set()

    def new(self, lines: list[chat.Line]) -> list[chat.Line]:
        """The lines not sent yet; they count as sent from now on."""
        fresh = [line for line in lines if line.id > self._start and line.id not in self._sent]
        self.last = max([self.last, *(line.id for line in fresh)])
        self._sent.update(line.id for line in fresh)
        self._sent = {number for number in self._sent if number > self.last - OVERLAP}
        return fresh


async def stream(request: web.Request) -> web.StreamResponse:
    """Send new lines until the page goes; 204 (do not come back) for one without a history."""
    name = visitor.known(request)
    resident_id = await asyncio.to_thread(visitor.resident_id, request.app, name) if name else None
    if resident_id is None:
        return web.Response(status=204)
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):
        await _send_until_gone(request, response, resident_id, Cursor(_start(request)))
    return response


def _start(request: web.Request) -> int:
    """Where the page stopped reading: its own word, or what the browser remembers."""
    for word in (request.headers.get("Last-Event-ID", ""), request.query.get("after", "")):
        if word.isascii() and word.isdigit() and len(word) < 16:
            return int(word)
    return 0


async def _send_until_gone(
    request: web.Request, response: web.StreamResponse, resident_id: int, cursor: Cursor
) -> None:
    app = request.app
    await response.write(b"retry: 1500\n\n")
    with app[FEED].page(resident_id) as wake:
        while not app[FEED].closed:
            wake.clear()
            sent = await _send_new(app, response, resident_id, cursor)
            if not await _still(request, resident_id):
                await _farewell(app, response, resident_id, wake)
                return
            if not await _woken(wake, SECOND_LOOK_SECONDS if sent else KEEP_ALIVE_SECONDS):
                await response.write(b": here\n\n")


async def _still(request: web.Request, resident_id: int) -> bool:
    """Whether the visitor is the same resident; not after having the personal data deleted."""
    name = visitor.known(request) or ""
    return await asyncio.to_thread(visitor.resident_id, request.app, name) == resident_id


async def _farewell(
    app: web.Application, response: web.StreamResponse, resident_id: int, wake: asyncio.Event
) -> None:
    """The history was deleted: clear the page, and show the answer to that wish when it comes.

    From the beginning, for SQLite may give the ids of deleted lines again.
    """
    await response.write(RESET)
    if not await _send_new(app, response, resident_id, Cursor(0)):
        await _woken(wake, FAREWELL_SECONDS)
        await _send_new(app, response, resident_id, Cursor(0))


async def _send_new(
    app: web.Application, response: web.StreamResponse, resident_id: int, cursor: Cursor
) -> int:
    after = max(cursor.last - OVERLAP, 0)
    lines = await asyncio.to_thread(
        chat.history, app[FACTORY], resident_id, after=after, limit=2 * OVERLAP
    )
    fresh = cursor.new(lines)
    for line in fresh:
        text = json.dumps(as_json(line), ensure_ascii=False)
        await response.write(f"id: {cursor.last}\ndata: {text}\n\n".encode())
    return len(fresh)


async def _woken(wake: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(wake.wait(), seconds)
        return True
    return False
