"""A strict WeChat official account platform: `python -m tests.emulators.wechat --help`."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from aiohttp import web
from wechatpy.crypto import WeChatCrypto

from tests.emulators import page
from tests.emulators.base import (
    ApiError,
    Callback,
    Caller,
    Clock,
    Delivered,
    Platform,
    Shown,
    message_xml,
    signature,
)

ACCOUNT = "gh_emulated"
TEXT_LIMIT = 2048
MENU_LINK = re.compile(
    r'<a href="weixin://bizmsgmenu\?msgmenucontent=([^&"]+)&msgmenuid=([^"]+)">([^<]*)</a>'
)
OPENID = re.compile(r"[A-Za-z0-9_-]{3,64}")


@dataclass
class Follower:
    """What the platform knows of one person."""

    follows: bool = True
    blocks_messages: bool = False
    message_until: float = 0
    message_left: int = 0
    tap_until: float = 0
    tap_left: int = 0
    consents: dict[str, int] = field(default_factory=dict)
    location: tuple[float, float] = (0.0, 0.0)


class WeChatEmulator(Platform):
    """One emulated official account and the phones of those who chat with it."""

    def __init__(self, callback: Callback, *, appid: str, secret: str) -> None:
        clock = Clock()
        crypto = WeChatCrypto(callback.token, callback.aes_key, appid) if callback.aes_key else None
        super().__init__(Caller(callback, clock, crypto), clock)
        self.appid, self.secret = appid, secret
        self.followers: dict[str, Follower] = {}
        self.templates: set[str] = {"template-service", "subscribe-service"}
        self.menu: list[dict[str, Any]] = []
        self.scenes: dict[str, tuple[str, float | None]] = {}
        self.msgmenu_allowed = True
        self.custom_allowed = True
        self.snapshot = False
        self.forced: list[float] = []

    # --- what a person does -------------------------------------------------------------------

    def follower(self, user: str) -> Follower:
        self.phones.setdefault(user, [])
        return self.followers.setdefault(user, Follower())

    async def say(self, user: str, text: str, menu_id: str = "") -> Delivered:
        """A typed text, or a tapped choice."""
        fields: dict[str, Any] = {"Content": text}
        if menu_id:
            fields["bizmsgmenuid"] = menu_id
        return await self._message(user, "text", fields, text)

    async def tap(self, user: str, label: str) -> Delivered:
        """Tap a choice shown in the newest message that has one with this label."""
        for shown in reversed(self.phones[user]):
            for choice, menu_id in shown.data.get("choices", []):
                if choice == label:
                    return await self.say(user, label, menu_id)
        raise KeyError(label)

    async def photo(self, user: str, data: bytes, mime: str = "image/jpeg") -> Delivered:
        media_id = self.put_media(data, mime)
        fields = {"PicUrl": "http://mmbiz.example/pic", "MediaId": media_id}
        return await self._message(user, "image", fields, "[图片]")

    async def voice(
        self, user: str, data: bytes, recognition: str | None = None, mime: str = "audio/amr"
    ) -> Delivered:
        fields = {"MediaId": self.put_media(data, mime), "Format": "amr"}
        if recognition is not None:
            fields["Recognition"] = recognition
        return await self._message(user, "voice", fields, f"[语音] {recognition or ''}")

    async def video(self, user: str, data: bytes) -> Delivered:
        fields = {"MediaId": self.put_media(data, "video/mp4"), "ThumbMediaId": "thumb"}
        return await self._message(user, "video", fields, "[视频]")

    async def place(self, user: str, lat: float, lon: float, label: str = "") -> Delivered:
        fields = {"Location_X": str(lat), "Location_Y": str(lon), "Scale": 20, "Label": label}
        return await self._message(user, "location", fields, f"[位置] {label}")

    async def link(self, user: str, title: str, url: str) -> Delivered:
        fields = {"Title": title, "Description": "", "Url": url}
        return await self._message(user, "link", fields, f"[链接] {title}")

    async def follow(self, user: str, scene: str = "") -> Delivered:
        person = self.follower(user)
        person.follows = True
        self._open_tap(person)
        fields = {"EventKey": f"qrscene_{scene}", "Ticket": "ticket"} if scene else {"EventKey": ""}
        return await self.event(user, "subscribe", fields, "[关注公众号]")

    async def scan(self, user: str, scene: str) -> Delivered:
        """Scan a building's code: follows first where the person does not yet."""
        person = self.followers.get(user)
        if person is None or not person.follows:
            return await self.follow(user, scene)
        self._open_tap(person)
        return await self.event(user, "SCAN", {"EventKey": scene, "Ticket": "t"}, "[扫码]")

    async def unfollow(self, user: str) -> Delivered:
        self.follower(user).follows = False
        return await self.event(user, "unsubscribe", {"EventKey": ""}, "[取消关注]")

    async def menu_tap(self, user: str, key: str) -> Delivered:
        self._open_tap(self.follower(user))
        return await self.event(user, "CLICK", {"EventKey": key}, f"[菜单] {key}")

    async def consent(self, user: str, template_id: str, accepted: bool = True) -> Delivered:
        if accepted:
            consents = self.follower(user).consents
            consents[template_id] = consents.get(template_id, 0) + 1
        status = "accept" if accepted else "reject"
        answer = {"TemplateId": template_id, "SubscribeStatusString": status, "PopupScene": "2"}
        fields = {"SubscribeMsgPopupEvent": {"List": answer}}
        return await self.event(user, "subscribe_msg_popup_event", fields, "[订阅通知]")

    def _open_tap(self, person: Follower) -> None:
        person.tap_until, person.tap_left = self.clock.now() + 60, 3

    async def _message(self, user: str, kind: str, fields: dict[str, Any], shown: str) -> Delivered:
        person = self.follower(user)
        person.message_until, person.message_left = self.clock.now() + 48 * 3600, 5
        content = {"MsgType": kind, **fields, "MsgId": self.next_id()}
        return await self._deliver(user, content, kind, shown)

    async def event(
        self, user: str, name: str, fields: dict[str, Any], shown: str = ""
    ) -> Delivered:
        self.follower(user)
        content = {"MsgType": "event", "Event": name, **fields}
        return await self._deliver(user, content, "event", shown)

    async def _deliver(
        self, user: str, content: dict[str, Any], kind: str, shown: str
    ) -> Delivered:
        head = {
            "ToUserName": ACCOUNT,
            "FromUserName": user,
            "CreateTime": int(self.clock.now()),
        }
        if shown:
            self.show(user, Shown("sent", kind, shown, self.clock.now()))
        result = await self.caller.deliver(
            message_xml({**head, **content}), lambda body: self._read_reply(user, body)
        )
        if result.answer and self.follower(user).follows:
            self._show_text(user, result.answer, "error" if result.failed else "passive")
        return result

    def _show_text(self, user: str, text: str, via: str) -> None:
        from urllib.parse import unquote

        choices = [(unquote(c), menu_id) for c, menu_id, _ in MENU_LINK.findall(text)]
        self.show(user, Shown("got", "text", text, self.clock.now(), via, {"choices": choices}))

    def _read_reply(self, user: str, body: str) -> str | None:
        """The text of a passive reply; ValueError for what WeChat would not show."""
        if body in {"", "success"}:
            return None
        root = self._open_reply(body)
        if root.findtext("ToUserName") != user or root.findtext("FromUserName") != ACCOUNT:
            raise ValueError("reply goes to the wrong person")
        if not (root.findtext("CreateTime") or "").isdigit():
            raise ValueError("CreateTime is not a number")
        text = root.findtext("Content") or ""
        if root.findtext("MsgType") != "text" or not text.strip():
            raise ValueError("reply has no text")
        if len(text.encode()) > TEXT_LIMIT:
            raise ValueError("reply is too long")
        return text

    def _open_reply(self, body: str) -> ElementTree.Element:
        try:
            root = ElementTree.fromstring(body)
        except ElementTree.ParseError as error:
            raise ValueError("reply is not XML") from error
        encrypted = root.findtext("Encrypt")
        if self.caller.callback.mode != "safe":
            if encrypted and not root.findtext("Content"):
                return self._decrypt_reply(root, body)
            return root
        if not encrypted:
            raise ValueError("plain reply in safe mode")
        return self._decrypt_reply(root, body)

    def _decrypt_reply(self, root: ElementTree.Element, body: str) -> ElementTree.Element:
        timestamp, nonce = root.findtext("TimeStamp") or "", root.findtext("Nonce") or ""
        try:
            plain = self.caller.crypto.decrypt_message(
                body, root.findtext("MsgSignature"), timestamp, nonce
            )
        except Exception as error:
            raise ValueError("reply cannot be decrypted") from error
        return ElementTree.fromstring(plain)

    async def check_url(self) -> tuple[int, str, str]:
        """The console's "submit": (status, answer, echostr), which must be equal."""
        timestamp, nonce, echo = str(int(self.clock.now())), "1234", secrets.token_hex(8)
        query = {
            "signature": signature(self.caller.callback.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "echostr": echo,
        }
        assert self.caller.session
        async with self.caller.session.get(self.caller.callback.url, params=query) as answer:
            return answer.status, await answer.text(), echo

    # --- what the service calls ---------------------------------------------------------------

    async def stable_token(self, request: web.Request) -> dict[str, Any]:
        body = await self.body(request)
        if body.get("grant_type") != "client_credential":
            raise ApiError(40002)
        if body.get("appid") != self.appid:
            raise ApiError(40013)
        if body.get("secret") != self.secret:
            raise ApiError(40125)
        if body.get("force_refresh"):
            self._check_forced()
            self.tokens.issue()
        elif self.tokens.remaining() <= 300:
            self.tokens.issue()
        return {"access_token": self.tokens.current, "expires_in": self.tokens.remaining()}

    def _check_forced(self) -> None:
        now = self.clock.now()
        self.forced = [at for at in self.forced if at > now - 86400]
        if self.forced and self.forced[-1] > now - 30:
            raise ApiError(45011)
        if len(self.forced) >= 20:
            raise ApiError(45009)
        self.forced.append(now)

    def _receiver(self, body: dict[str, Any]) -> tuple[str, Follower]:
        user = str(body.get("touser", ""))
        if user not in self.followers:
            raise ApiError(40003)
        person = self.followers[user]
        if not person.follows:
            raise ApiError(43004)
        if person.blocks_messages:
            raise ApiError(48002)
        return user, person

    async def custom_send(self, request: web.Request) -> dict[str, Any]:
        body = await self.body(request)
        if not self.custom_allowed:
            raise ApiError(48001)
        user, person = self._receiver(body)
        if body.get("msgtype") == "text":
            text, choices = str(body["text"]["content"]), []
        elif body.get("msgtype") == "msgmenu":
            text, choices = self._read_menu(body["msgmenu"])
        else:
            raise ApiError(40008)
        if len(text.encode()) > TEXT_LIMIT:
            raise ApiError(45002)
        self._count_custom(person)
        if choices:
            line = Shown("got", "text", text, self.clock.now(), "custom", {"choices": choices})
            self.show(user, line)
        else:
            self._show_text(user, text, "custom")
        return {}

    def _read_menu(self, menu: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        if not self.msgmenu_allowed:
            raise ApiError(40200)
        choices = [(str(item["content"]), str(item["id"])) for item in menu["list"]]
        if not choices or not all(menu_id.isdigit() for _, menu_id in choices):
            raise ApiError(40058)
        return menu["head_content"] + menu.get("tail_content", ""), choices

    def _count_custom(self, person: Follower) -> None:
        now = self.clock.now()
        if person.tap_until > now and person.tap_left > 0:
            person.tap_left -= 1
        elif person.message_until <= now:
            raise ApiError(45015)
        elif person.message_left <= 0:
            raise ApiError(45047)
        else:
            person.message_left -= 1

    async def template_send(self, request: web.Request) -> dict[str, Any]:
        body = await self.body(request)
        user, _ = self._receiver(body)
        if body.get("template_id") not in self.templates:
            raise ApiError(40037)
        msg_id = self.next_id()
        self._show_values(user, body, "template")
        asyncio.get_running_loop().create_task(
            self.event(user, "TEMPLATESENDJOBFINISH", {"MsgID": msg_id, "Status": "success"})
        )
        return {"msgid": msg_id}

    async def subscribe_send(self, request: web.Request) -> dict[str, Any]:
        body = await self.body(request)
        user, person = self._receiver(body)
        template_id = str(body.get("template_id"))
        if template_id not in self.templates:
            raise ApiError(40037)
        if person.consents.get(template_id, 0) <= 0:
            raise ApiError(43101)
        person.consents[template_id] -= 1
        self._show_values(user, body, "subscribe")
        return {}

    def _show_values(self, user: str, body: dict[str, Any], via: str) -> None:
        data = body.get("data") or {}
        text = "\n".join(f"{name}：{item['value']}" for name, item in data.items())
        url = body.get("url") or body.get("page") or ""
        self.show(user, Shown("got", "notice", text, self.clock.now(), via, {"url": url}))

    async def create_qr(self, request: web.Request) -> dict[str, Any]:
        body = await self.body(request)
        scene = str(body.get("action_info", {}).get("scene", {}).get("scene_str", ""))
        if not 1 <= len(scene) <= 64:
            raise ApiError(40053)
        seconds = None
        if body.get("action_name") == "QR_STR_SCENE":
            seconds = int(body.get("expire_seconds", 60))
            if not 0 < seconds <= 2_592_000:
                raise ApiError(40053)
        elif body.get("action_name") != "QR_LIMIT_STR_SCENE":
            raise ApiError(40053)
        if seconds is None and len(self.scenes) >= 100_000:
            raise ApiError(45029)
        url = f"http://weixin.qq.com/q/{secrets.token_urlsafe(12)}"
        self.scenes[url] = (scene, None if seconds is None else self.clock.now() + seconds)
        return {"ticket": secrets.token_urlsafe(48), "url": url}

    async def create_menu(self, request: web.Request) -> dict[str, Any]:
        buttons = (await self.body(request)).get("button", [])
        if not 1 <= len(buttons) <= 3:
            raise ApiError(40017)
        for button in buttons:
            self._check_button(button, 16)
            children = button.get("sub_button", [])
            if len(children) > 5:
                raise ApiError(40023)
            for child in children:
                self._check_button(child, 60)
        self.menu = buttons
        return {}

    @staticmethod
    def _check_button(button: dict[str, Any], limit: int) -> None:
        if not 1 <= len(button.get("name", "").encode()) <= limit:
            raise ApiError(40018)
        if button.get("sub_button"):
            return
        needed = {"click": "key", "view": "url"}.get(button.get("type", ""))
        if needed is None or not button.get(needed):
            raise ApiError(40016)

    async def oauth_token(self, request: web.Request) -> dict[str, Any]:
        if request.query.get("appid") != self.appid:
            raise ApiError(40013)
        if request.query.get("secret") != self.secret:
            raise ApiError(40125)
        user = self.use_code(request.query.get("code", ""))
        return {"openid": user, "scope": "snsapi_base", "is_snapshotuser": int(self.snapshot)}

    async def authorize(self, request: web.Request) -> web.Response:
        """The page that WeChat opens: comes back at once with a code (snsapi_base)."""
        query = request.query
        if query.get("appid") != self.appid or not query.get("redirect_uri"):
            return web.Response(status=400, text="参数错误")
        if not re.fullmatch(r"[a-zA-Z0-9]{0,128}", query.get("state", "")):
            return web.Response(status=400, text="state 参数错误")
        user = query.get("user") or request.cookies.get("phone", "")
        if user not in self.phones:
            return web.Response(text="请先在模拟手机上选一位用户", status=400)
        joiner = "&" if "?" in query["redirect_uri"] else "?"
        back = urlencode({"code": self.new_code(user), "state": query.get("state", "")})
        raise web.HTTPFound(f"{query['redirect_uri']}{joiner}{back}")

    def app(self) -> web.Application:
        app = web.Application(client_max_size=32 * 1024**2)
        post, get = app.router.add_post, app.router.add_get
        post("/cgi-bin/stable_token", self.api(self.stable_token, token=False))
        post("/cgi-bin/message/custom/send", self.api(self.custom_send))
        post("/cgi-bin/message/template/send", self.api(self.template_send))
        post("/cgi-bin/message/subscribe/bizsend", self.api(self.subscribe_send))
        post("/cgi-bin/qrcode/create", self.api(self.create_qr))
        post("/cgi-bin/menu/create", self.api(self.create_menu))
        get("/cgi-bin/media/get", self.api(self.get_media))
        get("/sns/oauth2/access_token", self.api(self.oauth_token, token=False))
        get("/connect/oauth2/authorize", self.authorize)
        page.add_wechat_pages(app, self)

        async def lifetime(_app: web.Application) -> Any:
            await self.caller.start()
            yield
            await self.caller.stop()

        app.cleanup_ctx.append(lifetime)
        return app


def main(argv: list[str] | None = None) -> int:
    """Serve the emulator for a person to play with."""
    env = os.environ
    parser = argparse.ArgumentParser(description="模拟微信公众号平台")
    parser.add_argument("--port", type=int, default=8090)
    rasa = f"http://127.0.0.1:{env.get('LINLI_RASA_PORT') or 5005}"
    parser.add_argument("--callback", default=f"{rasa}/webhooks/wechat/webhook")
    parser.add_argument("--mode", choices=["plain", "compatible", "safe"], default="safe")
    options = parser.parse_args(argv)
    callback = Callback(
        options.callback,
        env.get("LINLI_WECHAT_TOKEN") or "emulated-token",
        env.get("LINLI_WECHAT_AES_KEY") or "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        mode=options.mode,
    )
    emulator = WeChatEmulator(
        callback,
        appid=env.get("LINLI_WECHAT_APPID") or "wxemulated0000001",
        secret=env.get("LINLI_WECHAT_SECRET") or "emulated-secret",
    )
    for user in ("openid-zhang", "openid-li"):
        emulator.follower(user)
    base = f"http://127.0.0.1:{options.port}"
    key = "" if options.mode == "plain" else callback.aes_key  # with a key, plain is refused
    print(
        f"微信模拟器：{base}\n在 .env 里填（然后重启邻里）：\n"
        f"LINLI_WECHAT_APPID={emulator.appid}\nLINLI_WECHAT_SECRET={emulator.secret}\n"
        f"LINLI_WECHAT_TOKEN={callback.token}\nLINLI_WECHAT_AES_KEY={key}\n"
        f"LINLI_WECHAT_API_BASE={base}\nLINLI_WECHAT_OPEN_BASE={base}",
        flush=True,
    )
    web.run_app(emulator.app(), host="127.0.0.1", port=options.port, print=None)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
