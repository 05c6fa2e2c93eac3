"""The chat's addresses on the desk: what is taken, what is refused, and who sees what."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from sqlalchemy import select

from bot.desk import chat as chat_views
from bot.desk import feed
from bot.desk.forward import TASKS
from bot.desk.main import make_app
from bot.desk.visitor import COOKIE, sign, verify
from bot.services import attachments, chat, health, residents
from bot.services.clock import now
from bot.store.models import Attachment, ChatMessage, InboxMessage, Resident
from tests.databases import Database
from tests.desk_server import make_settings
from tests.stack import SECRET, TOKEN, free_port


class Visitor:
    """A browser with cookies of its own."""

    def __init__(self, server: TestServer) -> None:
        self.client = TestClient(server)
        self.origin = str(server.make_url("")).rstrip("/")

    async def open(self) -> Visitor:
        response = await self.client.get("/chat")
        assert response.status == 200
        return self

    async def close(self) -> None:
        """Only the browser: TestClient.close would stop the server too."""
        await self.client.session.close()

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        headers = {"Origin": self.origin, "Accept": "application/json", **headers}
        how = {"data": body} if isinstance(body, aiohttp.FormData | bytes) else {"json": body}
        async with self.client.post(path, headers=headers, **how) as response:
            return response.status, await response.json()

    async def say(self, text: object, key: str = "key-0001", **more: object) -> tuple[int, Any]:
        return await self.post("/chat/messages", {"key": key, "text": text, **more})

    async def send_photo(self, data: bytes, key: str = "key-0002") -> tuple[int, Any]:
        form = aiohttp.FormData()
        form.add_field("photo", data, filename="x.jpg", content_type="image/jpeg")
        return await self.post(f"/chat/photos?key={key}", form)

    async def history(self, query: str = "") -> dict[str, Any]:
        async with self.client.get(f"/chat/history{query}") as response:
            return await response.json()


@pytest.fixture
def make_desk(tmp_path: Path) -> Callable[[Database], web.Application]:
    def make(database: Database) -> web.Application:
        config = make_settings(tmp_path, database, rasa_port=free_port(), actions_port=free_port())
        return make_app(config, database.factory)

    return make


@pytest.fixture
async def server(sqlite_database: Database, make_desk: Any) -> AsyncIterator[TestServer]:
    async with TestServer(make_desk(sqlite_database)) as server:
        yield server


@pytest.fixture
async def both(database: Database, make_desk: Any) -> AsyncIterator[TestServer]:
    """The same on SQLite and on PostgreSQL."""
    async with TestServer(make_desk(database)) as server:
        yield server


@pytest.fixture
async def visitor(server: TestServer) -> AsyncIterator[Visitor]:
    visitor = await Visitor(server).open()
    yield visitor
    await visitor.close()


def rows(database: Database, table: Any) -> list[Any]:
    with database.factory() as session:
        return list(session.scalars(select(table)))


def picture(size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "green").save(out, "JPEG")
    return out.getvalue()


# --- sending ---------------------------------------------------------------------------------


async def test_a_message_is_kept_although_rasa_is_down(both, database):
    visitor = await Visitor(both).open()
    status, answer = await visitor.say("3号楼漏水")
    assert status == 202 and answer["key"] == "key-0001"
    (row,) = rows(database, InboxMessage)
    assert (row.channel, row.text, row.status) == ("webchat", "3号楼漏水", "received")
    (line,) = (await visitor.history())["lines"]
    assert (line["mine"], line["text"], line["key"]) == (True, "3号楼漏水", "key-0001")
    assert row.sender not in json.dumps(line), "the visitor's id is the key to the history"
    await visitor.close()


async def test_a_resent_message_is_one_message(both, database):
    visitor = await Visitor(both).open()
    first = await visitor.say("漏水")
    assert await visitor.say("漏水") == first
    assert len(rows(database, InboxMessage)) == len(rows(database, ChatMessage)) == 1
    status, answer = await visitor.say("别的话")
    assert status == 409 and "重复" in answer["error"]
    await visitor.close()


async def test_a_tap_is_sent_as_its_payload_and_shown_as_its_label(visitor, sqlite_database):
    payload = '/set_home{"building_id": 3}'
    assert (await visitor.say(payload, kind="tap", label="我住在3号楼"))[0] == 202
    (row,) = rows(sqlite_database, InboxMessage)
    assert (row.kind, row.text) == ("tap", payload)
    assert (await visitor.history())["lines"][0]["text"] == "我住在3号楼"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "先输入"),
        ("  \n ", "先输入"),
        (None, "先输入"),
        (5, "先输入"),
        ({"a": 1}, "先输入"),
        ("水" * 10_001, "1万字"),
    ],
)
async def test_what_cannot_be_a_message_is_refused_in_chinese(
    visitor, sqlite_database, text, words
):
    status, answer = await visitor.say(text)
    assert status == 400 and words in answer["error"]
    assert rows(sqlite_database, InboxMessage) == []


@pytest.mark.parametrize(
    "text", ["水" * 10_000, "😀😀", "<script>alert(1)</script>", "Привет", "\x00"]
)
async def test_strange_texts_are_kept_as_they_are(visitor, text):
    assert (await visitor.say(text))[0] == 202
    (line,) = (await visitor.history())["lines"]
    assert line["text"] == text.replace("\x00", "")


@pytest.mark.parametrize(
    "key", [None, "", "short", "x" * 65, "spaces here", "汉字汉字汉字汉字", 12345678]
)
async def test_a_key_must_be_a_key(visitor, key):
    status, answer = await visitor.say("漏水", key=key)
    assert status == 400 and "编号" in answer["error"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe"])
async def test_a_body_must_be_a_json_object(visitor, body):
    kind = {"Content-Type": "application/json"}
    status, answer = await visitor.post("/chat/messages", body, **kind)
    assert status == 400 and "格式" in answer["error"]


async def test_nobody_can_take_anothers_key(server, sqlite_database):
    first, second = await Visitor(server).open(), await Visitor(server).open()
    assert (await first.say("甲", key="same-key-1"))[0] == 202
    assert (await second.say("乙", key="same-key-1"))[0] == 202
    assert len(rows(sqlite_database, InboxMessage)) == 2
    for visitor, text in ((first, "甲"), (second, "乙")):
        assert [line["text"] for line in (await visitor.history())["lines"]] == [text]
        await visitor.close()


async def test_too_many_messages_get_a_kind_answer_and_others_go_on(server, visitor):
    for number in range(chat_views.MESSAGES_A_MINUTE):
        assert (await visitor.say("在吗", key=f"key-{number:05}"))[0] == 202
    status, answer = await visitor.say("在吗", key="key-more-1")
    assert status == 429 and "过一会儿" in answer["error"]
    other = await Visitor(server).open()
    assert (await other.say("你好"))[0] == 202
    await other.close()


# --- photos ----------------------------------------------------------------------------------


async def test_a_photo_is_kept_and_only_its_sender_sees_it(server, visitor, sqlite_database):
    assert (await visitor.send_photo(picture()))[0] == 202
    (line,) = (await visitor.history())["lines"]
    assert line["kind"] == "image"
    async with visitor.client.get(line["image"]) as response:
        assert response.status == 200 and response.content_type == "image/jpeg"
        assert response.headers["Cache-Control"].startswith("private")
    (row,) = rows(sqlite_database, InboxMessage)
    (file,) = rows(sqlite_database, Attachment)
    assert (row.kind, row.media) == ("image", {"attachment": file.token})
    stranger, newcomer = await Visitor(server).open(), Visitor(server)
    await stranger.say("你好")
    for who in (stranger, newcomer):
        async with who.client.get(line["image"]) as response:
            assert response.status == 404
        await who.close()


async def test_a_resent_photo_is_one_message(visitor, sqlite_database):
    photo = picture()
    assert await visitor.send_photo(photo) == await visitor.send_photo(photo)
    assert len(rows(sqlite_database, InboxMessage)) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.7 not a photo", "不是能识别的照片"),
        (b"\xff\xd8\xff\xe0 broken", "不是能识别的照片"),
        (b"", "没有收到照片"),
        (bytes(attachments.MAX_BYTES + 1), "10MB"),
        (bytes(30 * 1024 * 1024), "10MB"),
    ],
    ids=["pdf", "broken", "empty", "over 10 MB", "30 MB"],
)
async def test_what_is_no_photo_is_refused_in_chinese(visitor, sqlite_database, data, words):
    status, answer = await visitor.send_photo(data)
    assert status == 400 and words in answer["error"]
    assert rows(sqlite_database, InboxMessage) == rows(sqlite_database, Attachment) == []


async def test_a_photo_without_a_stated_length_is_cut_off_while_it_is_read(visitor):
    async def endless() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x.jpg"\r\n\r\n'
        for _ in range(12):
            yield bytes(1024 * 1024)
        yield b"\r\n--b--\r\n"

    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Origin": visitor.origin,
        "Accept": "application/json",
    }
    address = "/chat/photos?key=key-00001"
    async with visitor.client.post(address, data=endless(), headers=headers) as response:
        assert response.status == 400 and "10MB" in (await response.json())["error"]


OTHER_FIELD = b"--b\r\nContent-Disposition: form-data; name=other\r\n\r\nx\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=b", b"no form at all"),
        ("multipart/form-data", b"--b--"),
        ("multipart/form-data; boundary=b", OTHER_FIELD),
    ],
)
async def test_a_broken_photo_form_is_refused_in_chinese(visitor, kind, body):
    status, answer = await visitor.post(
        "/chat/photos?key=key-00001", body, **{"Content-Type": kind}
    )
    assert status == 400 and "照片" in answer["error"]


# --- who may write, who sees what ------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "http://127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/chat/messages", "/chat/read", "/chat/photos?key=key-00001"])
async def test_another_sites_page_cannot_write(visitor, sqlite_database, origin, path):
    status, _ = await visitor.post(path, {"key": "key-00001", "text": "x"}, Origin=origin)
    assert status == 403
    assert rows(sqlite_database, InboxMessage) == []


async def test_a_form_of_another_site_cannot_write_even_with_our_origin(visitor):
    plain = {"Content-Type": "text/plain"}
    body = json.dumps({"key": "key-00001", "text": "x"}).encode()
    status, _ = await visitor.post("/chat/messages", body, **plain)
    assert status == 400


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(server):
    async with TestClient(server) as client:
        response = await client.get("/chat")
        cookie = response.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/chat" in cookie


async def test_over_https_the_cookie_travels_over_https_only(sqlite_database, tmp_path):
    config = make_settings(tmp_path, sqlite_database, public_url="https://linli.example")
    async with TestClient(TestServer(make_app(config, sqlite_database.factory))) as client:
        response = await client.get("/chat")
        assert "Secure" in response.headers["Set-Cookie"]


async def test_a_visitor_stays_the_same_on_reload(visitor):
    await visitor.say("漏水")
    await visitor.open()
    assert len((await visitor.history())["lines"]) == 1


@pytest.mark.parametrize("cookie", ["", "someone", "someone.", ".", "someone.0000", "某人.0000"])
async def test_a_made_up_cookie_is_nobody(server, cookie):
    async with TestClient(server, cookies={COOKIE: cookie}) as client:
        headers = {"Origin": str(server.make_url("")).rstrip("/")}
        body = {"key": "key-00001", "text": "x"}
        response = await client.post("/chat/messages", json=body, headers=headers)
        assert response.status == 400 and "刷新" in (await response.json())["error"]
        assert (await (await client.get("/chat/history")).json())["lines"] == []


def test_a_signature_fits_one_visitor_and_one_secret():
    cookie = sign("someone", SECRET)
    assert verify(cookie, SECRET) == "someone"
    assert verify(cookie, SECRET[::-1]) is None
    assert verify("another" + cookie.removeprefix("someone"), SECRET) is None


async def test_looking_at_the_page_makes_no_resident(visitor, sqlite_database):
    await visitor.history()
    assert rows(sqlite_database, Resident) == []


async def test_every_answer_carries_the_headers(server, visitor):
    for path in ("/chat", "/chat/history", "/nowhere", "/static/chat/main.js", "/healthz"):
        async with visitor.client.get(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_unknown_page_says_so_in_chinese(visitor):
    async with visitor.client.get("/nowhere") as response:
        assert response.status == 404 and "没有这个页面" in await response.text()


async def test_an_unexpected_error_is_an_apology_and_a_log_line(visitor, monkeypatch, caplog):
    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("secret detail")

    await visitor.say("漏水")
    monkeypatch.setattr(chat, "history", broken)
    async with visitor.client.get("/chat/history") as response:
        assert response.status == 500 and "secret detail" not in await response.text()
    assert "secret detail" in caplog.text


async def test_a_failed_hand_over_is_logged_without_the_token(visitor, caplog):
    caplog.set_level(logging.WARNING)
    await visitor.say("漏水")
    await asyncio.gather(*visitor.client.server.app[TASKS])
    assert "Rasa did not take a message" in caplog.text and TOKEN not in caplog.text


# --- reading ---------------------------------------------------------------------------------


def told(database: Database, count: int, start: int = 0) -> None:
    (resident,) = rows(database, Resident)
    for number in range(start, start + count):
        body = {"text": f"通知{number}", "number": "LL-20261124-0001"}
        chat.put_notice(database.factory, resident.id, body, dedup_key=f"n{number}", now=now())


async def test_history_is_paged_backwards(both, database):
    visitor = await Visitor(both).open()
    await visitor.say("第一句")
    told(database, 40)
    newest = (await visitor.history())["lines"][-1]["id"]
    await visitor.post("/chat/read", {"up_to": newest})
    last = await visitor.history()
    assert [line["text"] for line in last["lines"]] == [f"通知{n}" for n in range(10, 40)]
    assert last["more"]
    first = await visitor.history(f"?before={last['lines'][0]['id']}")
    assert [line["text"] for line in first["lines"]] == ["第一句"] + [f"通知{n}" for n in range(10)]
    assert not first["more"]
    await visitor.close()


async def test_the_first_page_reaches_back_to_what_is_new(visitor, sqlite_database):
    await visitor.say("第一句")
    told(sqlite_database, 60)
    page = await visitor.history()
    assert (len(page["lines"]), page["unread"], page["more"]) == (61, 60, False)


async def test_what_was_read_is_no_longer_unread(visitor, sqlite_database):
    await visitor.say("漏水")
    told(sqlite_database, 3)
    lines = (await visitor.history())["lines"]
    assert (await visitor.post("/chat/read", {"up_to": lines[-2]["id"]}))[0] == 200
    assert (await visitor.history())["unread"] == 1


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "٣", "9" * 30])
async def test_a_strange_line_number_is_refused(visitor, number):
    await visitor.say("漏水")
    assert (await visitor.post("/chat/read", {"up_to": number}))[0] == 400
    async with visitor.client.get(f"/chat/history?before={number}") as response:
        assert response.status == 400


async def next_lines(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    """The next lines of an event stream; comments and ids are skipped."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        row = (await response.content.readline()).decode()
        assert row, "the stream ended"
        if row.startswith("data: {"):
            found.append(json.loads(row.removeprefix("data: ")))
    return found


async def test_new_lines_come_over_the_stream_once_and_in_order(both, database):
    visitor = await Visitor(both).open()
    await visitor.say("漏水")
    async with visitor.client.get("/chat/stream") as stream:
        assert [line["text"] for line in await next_lines(stream, 1)] == ["漏水"]
        told(database, 3)
        lines = await next_lines(stream, 3)
        told(database, 1, start=3)
        lines += await next_lines(stream, 1)
    assert [line["text"] for line in lines] == [f"通知{n}" for n in range(4)]

    resume = {"Last-Event-ID": str(lines[1]["id"])}
    async with visitor.client.get("/chat/stream", headers=resume) as stream:
        assert [line["text"] for line in await next_lines(stream, 2)] == ["通知2", "通知3"]
    await visitor.close()


async def test_a_line_that_is_committed_late_is_not_lost(visitor, sqlite_database):
    """Its id is smaller than one that the page has had already."""
    await visitor.say("漏水")
    (resident,) = rows(sqlite_database, Resident)
    line = {"resident_id": resident.id, "direction": "out", "kind": "notice", "created_at": now()}
    async with visitor.client.get("/chat/stream") as stream:
        await next_lines(stream, 1)
        for number, key in ((9, "early"), (5, "late")):
            with sqlite_database.factory.begin() as session:
                session.add(ChatMessage(id=number, body={"text": key}, dedup_key=key, **line))
            assert [got["text"] for got in await next_lines(stream, 1)] == [key]


async def test_one_visitor_does_not_hear_another(server, visitor):
    await visitor.say("漏水")
    other = await Visitor(server).open()
    await other.say("你好")
    async with other.client.get("/chat/stream") as stream:
        await next_lines(stream, 1)
        await visitor.say("别人的事", key="key-0008")
        await other.say("还在吗", key="key-0009")
        assert [line["text"] for line in await next_lines(stream, 1)] == ["还在吗"]
    await other.close()


async def test_after_deleting_the_personal_data_the_visitor_is_somebody_new(
    visitor, sqlite_database
):
    await visitor.say("删除我的数据")
    (resident,) = rows(sqlite_database, Resident)
    async with visitor.client.get("/chat/stream") as stream:
        await next_lines(stream, 1)
        residents.forget(sqlite_database.factory, resident.id, now())
        told(sqlite_database, 1)
        assert [line["text"] for line in await next_lines(stream, 1)] == ["通知0"]
        while await stream.content.readline():
            pass  # ends, so that the page asks anew
    assert (await visitor.history())["lines"] == []
    await visitor.say("你好", key="key-0009")
    async with visitor.client.get("/chat/stream") as stream:
        assert [line["text"] for line in await next_lines(stream, 1)] == ["你好"]


async def test_a_page_without_a_history_is_sent_away(visitor):
    async with visitor.client.get("/chat/stream") as response:
        assert response.status == 204


async def test_all_pages_share_one_look_at_the_database(sqlite_database, monkeypatch):
    looks: list[list[int]] = []

    def latest_ids(_factory: object, ids: list[int]) -> dict[int, int]:
        looks.append(ids)
        return {1: len(looks)}

    monkeypatch.setattr(feed.chat, "latest_ids", latest_ids)
    shared = feed.Feed(sqlite_database.factory, pause=0.01)
    with shared.page(1) as first, shared.page(1) as second, shared.page(2) as other:
        task = asyncio.create_task(shared.run())
        await asyncio.gather(first.wait(), second.wait())
        assert looks[0] == [1, 2] and not other.is_set()
        task.cancel()


async def test_streams_end_when_the_desk_stops(sqlite_database, make_desk):
    server = TestServer(make_desk(sqlite_database))
    await server.start_server()
    visitor = await Visitor(server).open()
    await visitor.say("漏水")
    async with visitor.client.get("/chat/stream") as stream:
        await next_lines(stream, 1)
        stopping = asyncio.create_task(server.close())
        while await stream.content.readline():
            pass
    await visitor.close()
    await stopping


# --- health ----------------------------------------------------------------------------------


async def neighbours(model: str | None) -> TestServer:
    """Rasa and the action server in one."""

    async def status(request: web.Request) -> web.Response:
        assert request.query["token"] == TOKEN
        return web.json_response({"model_file": model})

    async def health_(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/status", status), web.get("/health", health_)])
    server = TestServer(app)
    await server.start_server()
    return server


async def readiness(database: Database, folder: Path, port: int) -> tuple[int, dict[str, str]]:
    config = make_settings(folder, database, rasa_port=port, actions_port=port)
    async with TestClient(TestServer(make_app(config, database.factory))) as client:
        response = await client.get("/readyz")
        return response.status, await response.json()


async def test_ready_when_every_part_is(sqlite_database, tmp_path):
    rasa = await neighbours("model.tar.gz")
    health.beat(sqlite_database.factory, "worker", now())
    status, parts = await readiness(sqlite_database, tmp_path, rasa.port)
    assert status == 200
    assert parts == dict.fromkeys(("database", "rasa", "actions", "worker"), "ok")
    await rasa.close()


async def test_each_missing_part_is_named(sqlite_database, tmp_path):
    status, parts = await readiness(sqlite_database, tmp_path, free_port())
    assert status == 503 and parts["database"] == "ok"
    assert {name for name, state in parts.items() if state != "ok"} == {"rasa", "actions", "worker"}
    rasa = await neighbours(model=None)
    _, parts = await readiness(sqlite_database, tmp_path, rasa.port)
    assert "模型" in parts["rasa"] and parts["actions"] == "ok"
    await rasa.close()
