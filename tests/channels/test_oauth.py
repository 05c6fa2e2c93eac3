"""Log-in from WeChat (residents) and WeCom (staff) against the emulated platforms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select, update

from bot.desk.main import make_app
from bot.services import answers, inbox
from bot.services.clock import now
from bot.services.inbox import Inbound
from bot.store.models import InboxMessage, Member, Resident
from tests.channels.conftest import AES_KEY, AGENT_ID, APPID, CORPID, SECRET, TOKEN
from tests.channels.house import make_settings


@pytest_asyncio.fixture
async def desk(
    sqlite_database, wechat_emulator, wecom_emulator, tmp_path, unused_tcp_port
) -> AsyncIterator[TestClient]:
    config = make_settings(
        database_url=sqlite_database.url,
        attachments_dir=tmp_path,
        rasa_port=unused_tcp_port,  # nobody there: what is sent is kept for later
        public_url="http://127.0.0.1",
        wechat_appid=APPID,
        wechat_secret=SECRET,
        wechat_token=TOKEN,
        wechat_api_base=wechat_emulator.base,
        wecom_corpid=CORPID,
        wecom_agent_id=AGENT_ID,
        wecom_secret=SECRET,
        wecom_token=TOKEN,
        wecom_aes_key=AES_KEY,
        wecom_api_base=wecom_emulator.base,
    )
    async with TestClient(TestServer(make_app(config, sqlite_database.factory))) as client:
        yield client


async def authorised(desk: TestClient, emulator: Any, start: str, user: str) -> str:
    """Go to the platform's page as `user`; the path and query it sends the browser back to."""
    async with desk.get(start, allow_redirects=False) as response:
        assert response.status == 302
        asked = urlsplit(response.headers["Location"])
    query = {name: values[0] for name, values in parse_qs(asked.query).items()}
    async with desk.session.get(
        f"{emulator.base}{asked.path}", params={**query, "user": user}, allow_redirects=False
    ) as response:
        assert response.status == 302
        back = urlsplit(response.headers["Location"])
    return f"{back.path}?{back.query}"


def received(database: Any, text: str) -> None:
    message = Inbound("wechat", "m1", "openid-1", text)
    inbox.receive(database.factory, message, now())


async def test_chat_page_and_wechat_share_one_person(desk, wechat_emulator, sqlite_database):
    wechat_emulator.follower("openid-1")
    received(sqlite_database, "在微信里说的话")
    back = await authorised(desk, wechat_emulator, "/wechat/login", "openid-1")
    async with desk.get(back, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/chat")
    async with desk.get("/chat/history") as response:
        assert [line["text"] for line in (await response.json())["lines"]] == ["在微信里说的话"]
    body = {"text": "在网页里说的话", "key": "page-key-1"}
    origin = {"Origin": str(desk.make_url("")).rstrip("/")}
    async with desk.post("/chat/messages", json=body, headers=origin) as response:
        assert response.status == 202, await response.text()
    with sqlite_database.factory() as session:
        assert len(session.scalars(select(Resident)).all()) == 1
        row = session.scalars(select(InboxMessage).where(InboxMessage.text == body["text"])).one()
        assert (row.channel, row.sender) == ("wechat", "openid-1")
    assert not answers.queue_late(sqlite_database.factory, row.id, now())


async def test_a_code_works_once_and_only_in_its_own_browser(desk, wechat_emulator):
    wechat_emulator.follower("openid-1")
    back = await authorised(desk, wechat_emulator, "/wechat/login", "openid-1")
    cookie_jar = desk.session.cookie_jar
    cookies = list(cookie_jar)
    cookie_jar.clear()
    async with desk.get(back) as response:
        assert response.status == 400
    cookie_jar.update_cookies({c.key: c for c in cookies}, desk.make_url("/wechat"))
    async with desk.get(back, allow_redirects=False) as response:
        assert response.status == 302
    async with desk.get(back) as response:
        assert response.status == 400


async def test_preview_mode_is_explained(desk, wechat_emulator):
    wechat_emulator.follower("openid-1")
    wechat_emulator.snapshot = True
    back = await authorised(desk, wechat_emulator, "/wechat/login", "openid-1")
    async with desk.get(back) as response:
        assert response.status == 400 and "使用完整服务" in await response.text()


async def test_staff_log_in_from_wecom(desk, wecom_emulator, sqlite_database):
    with sqlite_database.factory.begin() as session:
        member = session.scalars(select(Member)).first()
        session.execute(
            update(Member).where(Member.id == member.id).values(wecom_userid="zhangsan")
        )
        name = member.name
    start = "/desk/login/wecom?next=/desk/me"
    back = await authorised(desk, wecom_emulator, start, "zhangsan")
    async with desk.get(back, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/desk/me")
    async with desk.get("/desk/me") as response:
        assert name in await response.text()


async def test_outsiders_and_unknown_members_stay_outside(desk, wecom_emulator):
    wecom_emulator.outsiders.add("guest")
    for user in ("guest", "lisi"):
        back = await authorised(desk, wecom_emulator, "/desk/login/wecom", user)
        async with desk.get(back, allow_redirects=False) as response:
            assert response.status == 403
    async with desk.get("/desk", allow_redirects=False) as response:
        assert response.status == 303


async def test_forged_state_is_refused(desk, wecom_emulator):
    code = wecom_emulator.new_code("zhangsan")
    async with desk.get(f"/desk/login/wecom/back?code={code}&state=x") as response:
        assert response.status == 400
