"""A Rasa server with the real WeChat channels and a dialogue of one line: `echo` after a pause.

`python -m tests.channels.rasa_stub PORT LOG`; settings from the environment. A message 「等6秒 …」
takes six seconds (or what STUB_SECOND makes of them). Each turn writes one line to LOG.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from rasa.core.channels.channel import UserMessage
from sanic import Sanic

PAUSE = re.compile(r"等(\d+)秒")
SECOND = float(os.environ.get("STUB_SECOND", "1"))


def make_app(log: Path) -> Sanic:
    from bot.channels.wechat import WeChat
    from bot.channels.wecom import WeCom

    app = Sanic(f"stub_{os.getpid()}", configure_logging=False)

    async def handle(message: UserMessage) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{message.sender_id}\t{message.message_id}\t{message.text}\n")
        pause = PAUSE.search(message.text or "")
        if pause:
            await asyncio.sleep(int(pause[1]) * SECOND)
        reply = {"text": f"收到：{message.text}"}
        if "选择" in (message.text or ""):
            reply["buttons"] = [
                {"title": "是", "payload": "/affirm"},
                {"title": "不是", "payload": "/deny"},
            ]
        await message.output_channel.send_response(message.sender_id, reply)

    for channel in (WeChat(), WeCom()):
        app.blueprint(channel.blueprint(handle), url_prefix=f"/webhooks/{channel.name()}")
    return app


if __name__ == "__main__":
    make_app(Path(sys.argv[2])).run(
        host="127.0.0.1", port=int(sys.argv[1]), access_log=False, debug=False
    )
