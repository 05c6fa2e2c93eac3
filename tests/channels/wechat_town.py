"""The whole product on an emulated WeChat: real Rasa processes, actions and worker around it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.channels.conftest import AES_KEY, APPID, SECRET, TOKEN
from tests.emulators.base import Callback
from tests.emulators.wechat import WeChatEmulator
from tests.stack import Stack, free_port

# For a message's words: how many seconds its first action takes longer.
Delay = Callable[[str], float]


@dataclass
class Town:
    """The platform, the stack of actions and worker, and one stack a Rasa."""

    emulator: WeChatEmulator
    core: Stack
    rasas: list[Stack]


@contextlib.asynccontextmanager
async def town(
    folder: Path,
    database_url: str,
    *,
    rasas: int = 1,
    callback: Callback | None = None,
    delay: Delay | None = None,
    **env: str,
) -> AsyncIterator[Town]:
    """Everything started and connected; the platform's tries go to the Rasas in turn."""
    callback = callback or Callback("", TOKEN, AES_KEY, APPID, mode="safe")
    emulator = WeChatEmulator(callback, appid=APPID, secret=SECRET)
    async with contextlib.AsyncExitStack() as opened:
        port = await opened.enter_async_context(served(emulator.app()))
        env |= {
            "LINLI_WECHAT_APPID": APPID,
            "LINLI_WECHAT_SECRET": SECRET,
            "LINLI_WECHAT_TOKEN": TOKEN,
            "LINLI_WECHAT_AES_KEY": callback.aes_key,
            "LINLI_WECHAT_API_BASE": f"http://127.0.0.1:{port}",
        }
        core = Stack(folder / "core", database_url, **env)
        running = Town(
            emulator, core, [Stack(folder / f"rasa-{n}", database_url, **env) for n in range(rasas)]
        )
        core.ports["rasa"] = running.rasas[0].ports["rasa"]
        actions = core.ports["actions"]
        if delay:
            actions = await opened.enter_async_context(served(slowed(actions, delay)))
        for stack in running.rasas:
            stack.ports["actions"] = actions
        balance(emulator, [f"{stack.rasa_url}/webhooks/wechat/webhook" for stack in running.rasas])
        for stack, names in [
            (core, ("actions", "worker")),
            *((r, ("rasa",)) for r in running.rasas),
        ]:
            opened.push_async_callback(asyncio.to_thread, stack.stop)
            await asyncio.to_thread(stack.start, *names)
        yield running


@contextlib.asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[int]:
    """An application on a port of its own."""
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


def slowed(port: int, delay: Delay) -> web.Application:
    """The action server at a port, behind a proxy that makes some messages slow, once each."""
    seen: set[str] = set()
    app = web.Application(client_max_size=32 * 1024**2)

    async def session(_app: web.Application) -> AsyncIterator[None]:
        # A connection a call: the server closes idle ones, maybe just as they are used again.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as app["http"]:
            yield

    async def forward(request: web.Request) -> web.Response:
        heard = (await request.json())["tracker"]["latest_message"]
        if heard["message_id"] not in seen:
            seen.add(heard["message_id"])
            await asyncio.sleep(delay(heard["text"]))
        to = f"http://127.0.0.1:{port}{request.path}"
        async with app["http"].post(to, data=await request.read(), headers=JSON) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, headers=JSON)

    app.cleanup_ctx.append(session)
    app.router.add_post("/webhook", forward)
    return app


JSON = {"Content-Type": "application/json"}


def balance(emulator: WeChatEmulator, addresses: list[str]) -> None:
    """Put a balancer before the servers: each try goes to the next."""
    turns = itertools.cycle(addresses)
    caller = emulator.caller
    once = caller._once

    async def balanced(*args: Any) -> Any:
        caller.callback.url = next(turns)
        return await once(*args)

    caller._once = balanced  # type: ignore[method-assign]
