"""Emulated platforms, and the product's clients pointed at them."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from bot.platforms.client import ApiClient
from bot.platforms.wechat import WeChatApi
from bot.platforms.wecom import WeComApi
from tests.emulators.base import Callback
from tests.emulators.wechat import WeChatEmulator
from tests.emulators.wecom import WeComEmulator

AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
APPID, SECRET = "wxemulated0000001", "emulated-secret"
CORPID, AGENT_ID = "wwemulated0000001", "1000002"
TOKEN = "emulated-token"


@pytest_asyncio.fixture
async def wechat_emulator() -> AsyncIterator[WeChatEmulator]:
    callback = Callback("http://127.0.0.1:9/", TOKEN, AES_KEY, APPID)
    emulator = WeChatEmulator(callback, appid=APPID, secret=SECRET)
    async with TestServer(emulator.app()) as server:
        emulator.base = str(server.make_url("")).rstrip("/")
        yield emulator


@pytest_asyncio.fixture
async def wecom_emulator() -> AsyncIterator[WeComEmulator]:
    callback = Callback("http://127.0.0.1:9/", TOKEN, AES_KEY, CORPID)
    emulator = WeComEmulator(
        callback, corpid=CORPID, secret=SECRET, agent_id=AGENT_ID, members=("ZhangSan", "lisi")
    )
    async with TestServer(emulator.app()) as server:
        emulator.base = str(server.make_url("")).rstrip("/")
        yield emulator


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def emulator_time(emulator) -> dt.datetime:
    return dt.datetime.fromtimestamp(emulator.clock.now(), dt.timezone.utc)


@pytest.fixture
def wechat_api(sqlite_database, wechat_emulator, http) -> WeChatApi:
    return WeChatApi(
        ApiClient(http, wechat_emulator.base, backoff=0.001),
        sqlite_database.factory,
        appid=APPID,
        secret=SECRET,
        clock=lambda: emulator_time(wechat_emulator),
    )


@pytest.fixture
def wecom_api(sqlite_database, wecom_emulator, http) -> WeComApi:
    return WeComApi(
        ApiClient(http, wecom_emulator.base, backoff=0.001),
        sqlite_database.factory,
        corpid=CORPID,
        agent_id=AGENT_ID,
        secret=SECRET,
        clock=lambda: emulator_time(wecom_emulator),
    )
