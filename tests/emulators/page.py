"""The phones of an emulator as web pages, and its control calls as JSON."""

from __future__ import annotations

import base64
import datetime as dt
import html
import io
import re
from dataclasses import asdict
from typing import Any

from aiohttp import web
from PIL import Image

from bot.domain.worktime import SHANGHAI

STYLE = """
body{font-family:system-ui,"Noto Sans CJK SC",sans-serif;background:#ddd;margin:0;padding:24px;
display:flex;gap:24px;flex-wrap:wrap}
.phone{width:360px;background:#ededed;border:8px solid #222;border-radius:28px;overflow:hidden;
display:flex;flex-direction:column;height:720px}
.phone h2{margin:0;padding:10px;text-align:center;font-size:16px;background:#f7f7f7}
.chat{flex:1;overflow-y:auto;padding:10px;display:flex;flex-direction:column;gap:8px}
.b{max-width:78%;padding:8px 10px;border-radius:6px;white-space:pre-wrap;font-size:14px;
word-break:break-all}
.got{background:#fff;align-self:flex-start}.sent{background:#95ec69;align-self:flex-end}
.v{font-size:11px;color:#888}.b button{margin:4px 4px 0 0}
form{display:inline}.bar{padding:8px;background:#f7f7f7}.bar input[type=text]{width:60%}
.card b{display:block;margin-bottom:4px}.grey{color:#999}
"""
# As on a phone, the newest line is in sight.
SCROLL = "for (const chat of document.querySelectorAll('.chat')) chat.scrollTop = chat.scrollHeight"


def document(title: str, body: str) -> web.Response:
    text = (
        f"<!doctype html><html lang=zh><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style><body>{body}<script>{SCROLL}</script></body></html>"
    )
    return web.Response(text=text, content_type="text/html")


def button(action: str, label: str, **fields: str) -> str:
    hidden = "".join(
        f'<input type=hidden name={name} value="{html.escape(value, quote=True)}">'
        for name, value in fields.items()
    )
    form = f'<form method=post action="{action}">{hidden}'
    return f"{form}<button>{html.escape(label)}</button></form>"


def visible_text(text: str) -> str:
    """The text without the choice links, which are shown as buttons."""
    plain = re.sub(r'<a href="weixin:[^>]*>[^<]*</a>\n?', "", text)
    return html.escape(re.sub(r"<a [^>]*>([^<]*)</a>", r"\1", plain))


def bubble(user: str, line: Any) -> str:
    inner = visible_text(line.text)
    for label, menu_id in line.data.get("choices", []):
        inner += button(f"/phone/{user}/say", label, text=label, menu_id=menu_id)
    card = line.data.get("card")
    if card:
        inner = card_html(user, card)
    at = dt.datetime.fromtimestamp(line.at, SHANGHAI).strftime("%m-%d %H:%M")
    via = f" · {line.via}" if line.via else ""
    return f'<div class="b {line.direction}">{inner}<div class=v>{at}{via}</div></div>'


def card_html(user: str, card: dict[str, Any]) -> str:
    title = card["main_title"]
    rows = "".join(
        f"<div>{html.escape(row['keyname'])}：{html.escape(row.get('value', ''))}</div>"
        for row in card.get("horizontal_content_list", [])
    )
    if card.get("replaced"):
        buttons = f"<div class=grey>{html.escape(card['replaced'])}</div>"
    else:
        buttons = "".join(
            button(f"/phone/{user}/card", b["text"], task_id=card["task_id"], key=b["key"])
            for b in card["button_list"]
        )
    head = f"<b>{html.escape(title['title'])}</b>{html.escape(title.get('desc', ''))}"
    return f"<div class=card>{head}{rows}{buttons}</div>"


def phone(user: str, lines: list[Any], extra: str = "") -> str:
    bubbles = "".join(bubble(user, line) for line in lines)
    bar = (
        f'<form method=post action="/phone/{user}/say"><input type=text name=text autofocus>'
        f"<button>发送</button></form>{extra}"
    )
    return (
        f'<div class=phone id="{user}"><h2>{html.escape(user)}</h2>'
        f"<div class=chat>{bubbles}</div><div class=bar>{bar}</div></div>"
    )


def sample_photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), (70, 110, 160)).save(out, "JPEG")
    return out.getvalue()


def add_common(app: web.Application, emulator: Any) -> None:
    """Clock, faults, state: `/_emulator/…`."""

    async def state(_request: web.Request) -> web.Response:
        return web.json_response(emulator.state())

    async def clock(request: web.Request) -> web.Response:
        emulator.clock.advance(float((await request.json())["advance"]))
        return web.json_response({"now": emulator.clock.now()})

    async def fail(request: web.Request) -> web.Response:
        body = await request.json()
        emulator.fail(body["path"], int(body["errcode"]), int(body.get("times", 1)))
        return web.json_response({})

    async def revoke(_request: web.Request) -> web.Response:
        emulator.tokens.revoke()
        return web.json_response({})

    app.router.add_get("/_emulator/state", state)
    app.router.add_post("/_emulator/clock", clock)
    app.router.add_post("/_emulator/fail", fail)
    app.router.add_post("/_emulator/revoke", revoke)


def menu_bar(emulator: Any, user: str) -> str:
    children = [c for b in emulator.menu for c in (b.get("sub_button") or [b])]
    taps = [
        button(f"/phone/{user}/menu", c["name"], key=c["key"])
        for c in children
        if c.get("type") == "click"
    ]
    photo = button(f"/phone/{user}/photo", "发照片")
    return "".join([photo, *taps, button(f"/phone/{user}/unfollow", "取消关注")])


def add_control(app: web.Application, emulator: Any) -> None:
    """What people do, as JSON, for tests in another process."""

    async def control(request: web.Request) -> web.Response:
        """JSON {do, user, …} → the delivery."""
        body = await request.json()
        what = body.pop("do")
        if "data" in body:
            body["data"] = base64.b64decode(body["data"])
        allowed = {"say", "tap", "photo", "voice", "video", "place", "link", "follow", "scan"}
        if what not in allowed | {"unfollow", "menu_tap", "consent"}:
            raise web.HTTPBadRequest()
        return web.json_response(asdict(await getattr(emulator, what)(**body)))

    app.router.add_post("/_emulator/do", control)


def add_wechat_pages(app: web.Application, emulator: Any) -> None:
    """Phones of an official account's followers."""
    add_common(app, emulator)
    add_control(app, emulator)

    async def index(_request: web.Request) -> web.Response:
        phones = [
            phone(user, lines, menu_bar(emulator, user)) for user, lines in emulator.phones.items()
        ]
        new = (
            '<form method=post action="/new"><input name=user placeholder="新用户 openid">'
            '<input name=scene placeholder="场景（楼栋码）"><button>扫码关注</button></form>'
        )
        return document("微信模拟器", "".join(phones) + new)

    async def one(request: web.Request) -> web.Response:
        user = request.match_info["user"]
        response = document(
            user, phone(user, emulator.phones.get(user, []), menu_bar(emulator, user))
        )
        response.set_cookie("phone", user)
        return response

    async def act(request: web.Request) -> web.Response:
        user, what = request.match_info["user"], request.match_info["what"]
        form = await request.post()
        if what == "say":
            await emulator.say(user, str(form["text"]), str(form.get("menu_id", "")))
        elif what == "photo":
            await emulator.photo(user, sample_photo())
        elif what == "menu":
            await emulator.menu_tap(user, str(form["key"]))
        elif what == "unfollow":
            await emulator.unfollow(user)
        raise web.HTTPFound(request.headers.get("Referer", "/"))

    async def new(request: web.Request) -> web.Response:
        form = await request.post()
        await emulator.follow(str(form["user"]), str(form.get("scene", "")))
        raise web.HTTPFound("/")

    app.router.add_get("/", index)
    app.router.add_get("/phone/{user}", one)
    app.router.add_post("/phone/{user}/{what}", act)
    app.router.add_post("/new", new)


def add_wecom_pages(app: web.Application, emulator: Any) -> None:
    """Phones of WeCom members."""
    add_common(app, emulator)

    async def index(_request: web.Request) -> web.Response:
        phones = [phone(user, lines) for user, lines in emulator.phones.items()]
        return document("企业微信模拟器", "".join(phones))

    async def one(request: web.Request) -> web.Response:
        user = request.match_info["user"]
        photo = button(f"/phone/{user}/photo", "发照片")
        response = document(user, phone(user, emulator.phones.get(user, []), photo))
        response.set_cookie("phone", user)
        return response

    async def act(request: web.Request) -> web.Response:
        user, what = request.match_info["user"], request.match_info["what"]
        form = await request.post()
        if what == "say":
            await emulator.say(user, str(form["text"]))
        elif what == "photo":
            await emulator.photo(user, sample_photo())
        elif what == "card":
            await emulator.press(user, str(form["task_id"]), str(form["key"]))
        raise web.HTTPFound(request.headers.get("Referer", "/"))

    app.router.add_get("/", index)
    app.router.add_get("/phone/{user}", one)
    app.router.add_post("/phone/{user}/{what}", act)
