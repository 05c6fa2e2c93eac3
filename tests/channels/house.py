"""The real channel on a real server in this process, with a dialogue of one line behind it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Sanic

from bot.settings import Settings

Sanic.test_mode = True  # lets one process have several servers
_numbers = itertools.count(1)


class Dialogue:
    """Echoes; 「等信号」 waits for the gate, 「选择」 offers choices, 「出错」 fails once."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, str]] = []
        self.failures = 0
        self.gate = asyncio.Event()

    async def __call__(self, message: UserMessage) -> None:
        text = message.text or ""
        self.turns.append((message.sender_id, text))
        if "等信号" in text:
            await self.gate.wait()
        if "出错" in text and not self.failures:
            self.failures += 1
            raise RuntimeError("dialogue failed")
        reply: dict[str, Any] = {"text": f"收到：{text}"}
        if "选择" in text:
            reply["buttons"] = [
                {"title": "是的", "payload": "/affirm"},
                {"title": "不是", "payload": "/deny"},
            ]
        if "长" in text:
            reply["text"] = "这是很长的一句回答，会被分成几条。" * 100
        await message.output_channel.send_response(message.sender_id, reply)


def make_settings(**values: Any) -> Settings:
    """Settings as if from the environment."""
    base = {"secret_key": "test-secret-key-" * 2, "rasa_token": "test-rasa-token-"}
    return Settings.parse_obj({**base, **values})


async def serve(
    channel: InputChannel, dialogue: Callable, port: int
) -> tuple[str, Callable[[], Any]]:
    """Serve one channel; its call-back address, and how to stop."""
    app = Sanic(f"house_{next(_numbers)}", configure_logging=False)
    name = channel.name()
    app.blueprint(channel.blueprint(dialogue), url_prefix=f"/webhooks/{name}")
    server = await app.create_server(
        host="127.0.0.1", port=port, return_asyncio_server=True, access_log=False
    )
    assert server
    await server.startup()
    await server.before_start()
    await server.after_start()

    async def stop() -> None:
        await server.before_stop()
        await server.close()
        await server.after_stop()

    return f"http://127.0.0.1:{port}/webhooks/{name}/webhook", stop


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that only the database or another task shows."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
