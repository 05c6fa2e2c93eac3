"""One of several processes that send with the shared token: see test_token_processes.py."""

import asyncio
import sys

import aiohttp

from bot.platforms.client import ApiClient
from bot.platforms.wechat import WeChatApi
from bot.store.base import make_engine, make_session_factory


async def main(url: str, base: str, name: str, sends: int) -> None:
    async with aiohttp.ClientSession() as http:
        api = WeChatApi(
            ApiClient(http, base),
            make_session_factory(make_engine(url)),
            appid="wxemulated0000001",
            secret="emulated-secret",
        )
        await api.token.get()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for number in range(sends):
            await api.send_text(f"openid-{name}", f"{name}-{number}")
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
