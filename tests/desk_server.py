"""The desk in a thread of the test, with a scripted dialogue where Rasa would be.

`with serve(database, folder, script) as desk:` serves the real application at `desk.url`; what it
hands to Rasa is claimed, answered by `script(message)` and finished as the channel does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.desk.main import make_app
from bot.services import inbox
from bot.services.clock import now
from bot.services.inbox import Inbound
from bot.settings import Settings
from tests.databases import Database
from tests.stack import SECRET, TOKEN, free_port

Reply = dict[str, Any]
Script = Callable[[Inbound], list[Reply]]


def say(text: str, *buttons: tuple[str, str], card: dict[str, Any] | None = None) -> Reply:
    """A reply as the channel stores it."""
    shown = [{"title": title, "payload": payload} for title, payload in buttons]
    kind = "card" if card else "text"
    return {"kind": kind, "text": text, "buttons": shown, "card": card, "image": None}


def echo(message: Inbound) -> list[Reply]:
    """A dialogue that says what it heard."""
    return [say(f"收到：{message.media.get('label') or message.text or message.kind}")]


@dataclass
class Desk:
    """A served desk; while `rasa_up` is false, messages are refused as if Rasa were down."""

    url: str
    database: Database
    script: Script
    rasa_up: bool = True
    answering: bool = True
    heard: list[Inbound] = field(default_factory=list)


def make_settings(folder: Path, database: Database, **more: object) -> Settings:
    """Settings of a desk of its own."""
    values = {
        "secret_key": SECRET,
        "rasa_token": TOKEN,
        "data_dir": str(folder),
        "database_url": database.url,
        **more,
    }
    return Settings.parse_obj(values)


@contextlib.contextmanager
def serve(database: Database, folder: Path, script: Script = echo) -> Iterator[Desk]:
    """Serve until the block ends."""
    config = make_settings(folder, database, desk_port=free_port(), rasa_port=free_port())
    desk = Desk(config.desk_url, database, script)
    loop, started = asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        runners = [
            await _listen(make_app(config, database.factory), config.desk_port),
            await _listen(_rasa(desk), config.rasa_port),
        ]
        started.set()
        await stop.wait()
        for runner in runners:
            await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(20)
    yield desk
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


async def _listen(app: web.Application, port: int) -> web.AppRunner:
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def _rasa(desk: Desk) -> web.Application:
    async def webhook(request: web.Request) -> web.Response:
        if not desk.rasa_up:
            raise web.HTTPServiceUnavailable()
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        body = await request.json()
        await asyncio.to_thread(_answer, desk, body["sender"])
        return web.json_response({}, status=202)

    app = web.Application()
    app.router.add_post("/webhooks/webchat/webhook", webhook)
    return app


def _answer(desk: Desk, sender: str) -> None:
    factory = desk.database.factory
    while desk.answering and (
        claimed := inbox.claim_next(factory, "webchat", sender, owner="test", now=now())
    ):
        desk.heard.append(claimed.message)
        inbox.finish(factory, claimed, desk.script(claimed.message), now())
