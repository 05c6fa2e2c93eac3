"""The residents' chat: its page, what it sends, and what it reads back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from bot.desk import feed, forward, visitor
from bot.desk.answers import json_response
from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.lines import as_json, own_key, page_key
from bot.desk.security import check_same_origin
from bot.desk.stream import stream
from bot.desk.throttle import Throttle
from bot.desk.uploads import read_photo
from bot.domain.errors import BadInput, Conflict, NotFound, Throttled
from bot.services import answers, attachments, chat, inbox, residents
from bot.services.clock import now
from bot.services.inbox import Inbound
from bot.store import queries

KEY = re.compile(r"^[0-9A-Za-z-]{8,64}$")
PAGE_LINES = 30
MOST_LINES = 200
MAX_LABEL = 100
MESSAGES_A_MINUTE = 20
THROTTLE = web.AppKey("THROTTLE", Throttle)


async def page(request: web.Request) -> web.Response:
    """The chat page; its script fetches the history."""
    estates = await asyncio.to_thread(queries.estates, request.app[FACTORY])
    response = aiohttp_jinja2.render_template("chat.html", request, {"estates": estates})
    visitor.remember(request, response)
    return response


async def send(request: web.Request) -> web.Response:
    """A typed message or a tapped choice: stored, acknowledged, handed to the dialogue."""
    check_same_origin(request)
    name = _visitor(request)
    body = await _json(request)
    text, kind = _text(body), "tap" if body.get("kind") == "tap" else "text"
    label = str(body.get("label") or "").strip()[:MAX_LABEL] if kind == "tap" else ""
    if kind == "tap" and not label:
        raise BadInput("这个选项看不懂，请直接打字告诉我。")
    media = {"label": label} if label else {}
    return await _take(request, name, _key(body.get("key")), kind, text, media)


async def send_photo(request: web.Request) -> web.Response:
    """A photo: checked while it is read, cleaned, stored, then sent like a message."""
    check_same_origin(request)
    name = _visitor(request)
    key = _key(request.query.get("key"))
    data = await read_photo(request)
    photo = await asyncio.to_thread(attachments.clean_photo, data)
    # The same photo sent again under its key must be the same message, whatever token it gets.
    digest = hashlib.sha256(photo).hexdigest()
    return await _take(request, name, key, "image", "", {}, photo=photo, digest=digest)


async def _take(
    request: web.Request,
    name: str,
    key: str,
    kind: str,
    text: str,
    media: dict[str, Any],
    *,
    photo: bytes | None = None,
    digest: str = "",
) -> web.Response:
    if not request.app[THROTTLE].allows(name):
        raise Throttled("您发得有点快，我还在看前面的消息，请过一会儿再发。")
    if photo is not None:
        media = {"attachment": await asyncio.to_thread(_keep, request.app, name, photo)}
    body_hash = hashlib.sha256(f"{kind}\n{text}\n{digest}".encode()).hexdigest()
    channel, sender = visitor.address(name)
    message = Inbound(channel, own_key(name, key), sender, text, kind, media, body_hash)
    received = await asyncio.to_thread(inbox.receive, request.app[FACTORY], message, now())
    if not received.same_body:
        raise Conflict("这条消息和之前的编号重复了，请刷新页面后再发。")
    if channel == visitor.WECHAT:  # the page shows the reply: no message to WeChat as well
        await asyncio.to_thread(answers.take_passive, request.app[FACTORY], received.id, now())
    if not received.done:
        forward.hand_over(request.app, message)
    return json_response({"id": received.id, "key": page_key(message.key)}, status=202)


def _keep(app: web.Application, name: str, photo: bytes) -> str:
    """Store a photo in the visitor's name; returns its token."""
    at = now()
    owner = residents.profile(app[FACTORY], *visitor.address(name), at)
    folder = app[SETTINGS].attachments_dir
    return attachments.store(app[FACTORY], folder, photo, at, resident_id=owner.id)


async def history(request: web.Request) -> web.Response:
    """The last lines, or those before an id, with how many are unread."""
    resident_id = await _resident(request)
    if resident_id is None:
        return json_response({"lines": [], "more": False, "unread": 0})
    word = request.query.get("before", "")
    before = _line_id(word) if word else None
    factory = request.app[FACTORY]
    unread = await asyncio.to_thread(chat.unread, factory, resident_id)
    # The first page reaches back to what is new, within reason.
    size = PAGE_LINES if before else min(PAGE_LINES + unread, MOST_LINES)
    lines = await asyncio.to_thread(
        chat.history, factory, resident_id, before=before, limit=size + 1
    )
    return json_response(
        {
            "lines": [as_json(line) for line in lines[-size:]],
            "more": len(lines) > size,
            "unread": unread,
        }
    )


async def read(request: web.Request) -> web.Response:
    """The page showed everything up to an id."""
    check_same_origin(request)
    body = await _json(request)
    resident_id = await _resident(request)
    if resident_id is not None:
        up_to = _line_id(body.get("up_to"))
        await asyncio.to_thread(chat.mark_read, request.app[FACTORY], resident_id, up_to, now())
    return json_response({})


async def photo(request: web.Request) -> web.FileResponse:
    """A photo of one's own, or one that staff put on an own ticket."""
    resident_id = await _resident(request)
    if resident_id is None:
        raise NotFound()
    path, mime = await asyncio.to_thread(
        attachments.open_for_resident,
        request.app[FACTORY],
        request.app[SETTINGS].attachments_dir,
        request.match_info["token"],
        resident_id,
    )
    headers = {"Content-Type": mime, "Cache-Control": "private, max-age=86400"}
    return web.FileResponse(path, headers=headers)


def _visitor(request: web.Request) -> str:
    name = visitor.known(request)
    if name is None:
        raise BadInput("没有认出您的浏览器，请刷新页面（并允许使用 Cookie）后再发。")
    return name


async def _resident(request: web.Request) -> int | None:
    name = visitor.known(request)
    return await asyncio.to_thread(visitor.resident_id, request.app, name) if name else None


async def _json(request: web.Request) -> dict[str, Any]:
    """The body of a scripted post. Only our own script can send this content type here."""
    if request.content_type != "application/json":
        raise BadInput("消息的格式不对，请刷新页面后再发。")
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadInput("消息的格式不对，请刷新页面后再发。")
    return body


def _text(body: dict[str, Any]) -> str:
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        raise BadInput("请先输入内容再发送。")
    if len(text) > inbox.MAX_TEXT:
        raise BadInput("这条消息太长了（最多1万字），请分几条发。")
    return text.strip()


def _key(key: object) -> str:
    if not isinstance(key, str) or not KEY.match(key):
        raise BadInput("消息缺少编号，请刷新页面后再发。")
    return key


def _line_id(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadInput("消息的编号不对，请刷新页面。")
    return int(text)


def setup(app: web.Application) -> None:
    """Add the chat's routes."""
    app[THROTTLE] = Throttle(MESSAGES_A_MINUTE, 60)
    feed.setup(app, app[FACTORY])
    forward.setup(app)
    app.router.add_get("/chat", page)
    app.router.add_get("/chat/history", history)
    app.router.add_get("/chat/stream", stream)
    app.router.add_get("/chat/photos/{token}", photo)
    app.router.add_post("/chat/messages", send)
    app.router.add_post("/chat/photos", send_photo)
    app.router.add_post("/chat/read", read)
