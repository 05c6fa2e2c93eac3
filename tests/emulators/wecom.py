"""A strict WeCom platform with one application: `python -m tests.emulators.wecom --help`."""

from __future__ import annotations

import argparse
import os
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from wechatpy.enterprise.crypto import WeChatCrypto

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
)

CARD_LIFETIME = 72 * 3600


@dataclass
class SentCard:
    """A card on one member's phone."""

    user: str
    content: dict[str, Any]
    sent_at: float


@dataclass
class Response:
    """A response_code: who may update which card, until when."""

    task_id: str
    until: float
    used: bool = False


class WeComEmulator(Platform):
    """One corporation, one application, its members' phones and its group robots."""

    def __init__(
        self,
        callback: Callback,
        *,
        corpid: str,
        secret: str,
        agent_id: str,
        members: tuple[str, ...] = (),
    ) -> None:
        clock = Clock()
        callback.mode = "safe"
        crypto = WeChatCrypto(callback.token, callback.aes_key, corpid)
        super().__init__(Caller(callback, clock, crypto, agent_id), clock)
        self.corpid, self.secret, self.agent_id = corpid, secret, agent_id
        self.members = {name.lower() for name in members}
        self.unlicensed: set[str] = set()
        self.outsiders: set[str] = set()
        self.robots: dict[str, list[str]] = {}
        self.robot_sends: dict[str, list[float]] = {}
        self.sends: dict[str, list[float]] = {}
        self.dropped = 0
        self.recent: dict[tuple[str, str], float] = {}
        self.task_ids: set[str] = set()
        self.cards: list[SentCard] = []
        self.responses: dict[str, Response] = {}
        for user in self.members:
            self.phones.setdefault(user, [])

    # --- what a member does -------------------------------------------------------------------

    async def say(self, user: str, text: str) -> Delivered:
        self.show(user, Shown("sent", "text", text, self.clock.now()))
        content = {"MsgType": "text", "Content": text, "MsgId": self.next_id()}
        return await self._deliver(user, content)

    async def photo(self, user: str, data: bytes, mime: str = "image/jpeg") -> Delivered:
        self.show(user, Shown("sent", "image", "[图片]", self.clock.now()))
        media_id = self.put_media(data, mime)
        content = {"MsgType": "image", "PicUrl": "http://p.example/p", "MediaId": media_id}
        return await self._deliver(user, {**content, "MsgId": self.next_id()})

    async def press(self, user: str, task_id: str, key: str) -> Delivered:
        """Tap a button of a card on this phone."""
        code = secrets.token_urlsafe(24)
        self.responses[code] = Response(task_id, self.clock.now() + CARD_LIFETIME)
        content = {
            "MsgType": "event",
            "Event": "template_card_event",
            "EventKey": key,
            "TaskId": task_id,
            "CardType": "button_interaction",
            "ResponseCode": code,
            "SelectedItems": {},
        }
        label = next(b["text"] for b in self.card(user, task_id)["button_list"] if b["key"] == key)
        self.show(user, Shown("sent", "tap", f"[点按] {label}", self.clock.now()))
        return await self._deliver(user, content)

    def card(self, user: str, task_id: str) -> dict[str, Any]:
        """The card with this task id as it now looks on the phone."""
        for sent in self.cards:
            if sent.user == user and sent.content["task_id"] == task_id:
                return sent.content
        raise KeyError(task_id)

    def cards_of(self, user: str) -> list[dict[str, Any]]:
        return [sent.content for sent in self.cards if sent.user == user]

    async def _deliver(self, user: str, content: dict[str, Any]) -> Delivered:
        head = {
            "ToUserName": self.corpid,
            "FromUserName": user,
            "CreateTime": int(self.clock.now()),
        }
        agent = {"AgentID": int(self.agent_id)}
        result = await self.caller.deliver(
            message_xml({**head, **content, **agent}), self._read_reply
        )
        if result.answer:
            self.show(user, Shown("got", "text", result.answer, self.clock.now(), "passive"))
        return result

    def _read_reply(self, body: str) -> str | None:
        """WeCom takes an empty answer; a passive reply must be sealed."""
        if body in {"", "success"}:
            return None
        from xml.etree import ElementTree

        try:
            sealed = ElementTree.fromstring(body)
            plain = self.caller.crypto.decrypt_message(
                body,
                sealed.findtext("MsgSignature"),
                sealed.findtext("TimeStamp"),
                sealed.findtext("Nonce"),
            )
            return ElementTree.fromstring(plain).findtext("Content")
        except Exception as error:
            raise ValueError("reply cannot be read") from error

    async def check_url(self) -> tuple[int, bytes, bytes]:
        """The console's "save": (status, answer, plain echo), which must be equal."""
        timestamp, nonce, echo = str(int(self.clock.now())), "4321", secrets.token_hex(8)
        query, _ = self.caller.request(
            f"<xml><FromUserName>x</FromUserName><Echo>{echo}</Echo></xml>", timestamp, nonce
        )
        from tests.emulators.base import signature

        encrypted = self.encrypt(echo)
        token = self.caller.callback.token
        query["msg_signature"] = signature(token, timestamp, nonce, encrypted)
        query["echostr"] = encrypted
        assert self.caller.session
        async with self.caller.session.get(self.caller.callback.url, params=query) as answer:
            return answer.status, await answer.read(), echo.encode()

    def encrypt(self, text: str) -> str:
        from wechatpy.enterprise.crypto import PrpCrypto

        return PrpCrypto(self.caller.crypto.key).encrypt(text, self.corpid).decode()

    # --- what the service calls ---------------------------------------------------------------

    async def gettoken(self, request: web.Request) -> dict[str, Any]:
        if request.query.get("corpid") != self.corpid:
            raise ApiError(40013)
        if request.query.get("corpsecret") != self.secret:
            raise ApiError(40001)
        if self.tokens.remaining() <= 0:
            self.tokens.issue()
        return {"access_token": self.tokens.current, "expires_in": self.tokens.remaining()}

    async def message_send(self, request: web.Request) -> dict[str, Any]:
        body = await self.body(request)
        if str(body.get("agentid")) != self.agent_id:
            raise ApiError(40056)
        asked = str(body.get("touser", "")).split("|")
        invalid = [u for u in asked if u.lower() not in self.members]
        unlicensed = [u for u in asked if u.lower() in self.unlicensed]
        valid = [u.lower() for u in asked if u not in invalid and u not in unlicensed]
        if not valid and invalid and not unlicensed:
            raise ApiError(81013)
        kind = str(body.get("msgtype"))
        if kind not in {"text", "textcard", "markdown", "template_card"}:
            raise ApiError(40008)
        if kind == "template_card":
            self._check_card(body["template_card"])
        result: dict[str, Any] = {
            "invaliduser": "|".join(u.lower() for u in invalid),
            "unlicenseduser": "|".join(unlicensed),
            "msgid": secrets.token_hex(8),
        }
        for user in valid:
            self._send_to(user, kind, body)
        if kind == "template_card":
            result["response_code"] = secrets.token_urlsafe(24)
            self.responses[result["response_code"]] = Response(
                body["template_card"]["task_id"], self.clock.now() + CARD_LIFETIME
            )
        return result

    def _check_card(self, card: dict[str, Any]) -> None:
        task_id = card.get("task_id", "")
        if not 1 <= len(task_id.encode()) <= 128 or task_id in self.task_ids:
            raise ApiError(42014)
        if not 1 <= len(card.get("button_list", [])) <= 6 or not card.get("main_title"):
            raise ApiError(40058)
        self.task_ids.add(task_id)

    def _send_to(self, user: str, kind: str, body: dict[str, Any]) -> None:
        now = self.clock.now()
        if body.get("enable_duplicate_check"):
            key = (user, repr(body[kind]))
            seconds = int(body.get("duplicate_check_interval", 1800))
            if self.recent.get(key, -1e12) > now - seconds:
                return
            self.recent[key] = now
        times = self.sends.setdefault(user, [])
        times[:] = [at for at in times if at > now - 3600]
        if len([at for at in times if at > now - 60]) >= 30 or len(times) >= 1000:
            self.dropped += 1
            return
        times.append(now)
        if kind == "template_card":
            card = dict(body["template_card"])
            self.cards.append(SentCard(user, card, now))
            self.show(user, Shown("got", "card", "", now, "card", {"card": card}))
        else:
            content = body[kind]
            text = content.get("content") or content.get("title", "")
            self.show(user, Shown("got", kind, text, now, "send"))

    async def update_card(self, request: web.Request) -> dict[str, Any]:
        body = await self.body(request)
        response = self.responses.get(str(body.get("response_code")))
        if response is None or response.used or response.until < self.clock.now():
            raise ApiError(72024)
        response.used = True
        words = body.get("button", {}).get("replace_name")
        if not words:
            raise ApiError(40058)
        for sent in self.cards:
            if sent.content["task_id"] == response.task_id:
                sent.content["replaced"] = words
        return {}

    async def getuserinfo(self, request: web.Request) -> dict[str, Any]:
        user = self.use_code(request.query.get("code", ""))
        return {"openid": user} if user in self.outsiders else {"userid": user}

    async def robot(self, request: web.Request) -> dict[str, Any]:
        key = request.query.get("key", "")
        if key not in self.robots:
            raise ApiError(93000)
        now = self.clock.now()
        times = self.robot_sends.setdefault(key, [])
        times[:] = [at for at in times if at > now - 60]
        if len(times) >= 20:
            raise ApiError(45009)
        times.append(now)
        self.robots[key].append((await self.body(request))["text"]["content"])
        return {}

    async def authorize(self, request: web.Request) -> web.Response:
        query = request.query
        if query.get("appid") != self.corpid or query.get("agentid") != self.agent_id:
            raise web.HTTPBadRequest()
        user = query.get("user") or request.cookies.get("phone", "")
        joiner = "&" if "?" in query["redirect_uri"] else "?"
        back = urlencode({"code": self.new_code(user), "state": query.get("state", "")})
        raise web.HTTPFound(f"{query['redirect_uri']}{joiner}{back}")

    def app(self) -> web.Application:
        app = web.Application(client_max_size=32 * 1024**2)
        post, get = app.router.add_post, app.router.add_get
        get("/cgi-bin/gettoken", self.api(self.gettoken, token=False))
        post("/cgi-bin/message/send", self.api(self.message_send))
        post("/cgi-bin/message/update_template_card", self.api(self.update_card))
        get("/cgi-bin/auth/getuserinfo", self.api(self.getuserinfo))
        get("/cgi-bin/media/get", self.api(self.get_media))
        post("/cgi-bin/webhook/send", self.api(self.robot, token=False))
        get("/connect/oauth2/authorize", self.authorize)
        page.add_wecom_pages(app, self)

        async def lifetime(_app: web.Application) -> Any:
            await self.caller.start()
            yield
            await self.caller.stop()

        app.cleanup_ctx.append(lifetime)
        return app


def main(argv: list[str] | None = None) -> int:
    """Serve the emulator for a person to play with."""
    env = os.environ
    parser = argparse.ArgumentParser(description="模拟企业微信")
    parser.add_argument("--port", type=int, default=8091)
    rasa = f"http://127.0.0.1:{env.get('LINLI_RASA_PORT') or 5005}"
    parser.add_argument("--callback", default=f"{rasa}/webhooks/wecom/webhook")
    parser.add_argument("--members", default="", help="成员 userid，用逗号分隔")
    options = parser.parse_args(argv)
    callback = Callback(
        options.callback,
        env.get("LINLI_WECOM_TOKEN") or "emulated-token",
        env.get("LINLI_WECOM_AES_KEY") or "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    )
    emulator = WeComEmulator(
        callback,
        corpid=env.get("LINLI_WECOM_CORPID") or "wwemulated0000001",
        secret=env.get("LINLI_WECOM_SECRET") or "emulated-secret",
        agent_id=env.get("LINLI_WECOM_AGENT_ID") or "1000002",
        members=tuple(name for name in options.members.split(",") if name),
    )
    base = f"http://127.0.0.1:{options.port}"
    print(
        f"企业微信模拟器：{base}\n在 .env 里填（然后重启邻里）：\n"
        f"LINLI_WECOM_CORPID={emulator.corpid}\nLINLI_WECOM_AGENT_ID={emulator.agent_id}\n"
        f"LINLI_WECOM_SECRET={emulator.secret}\nLINLI_WECOM_TOKEN={callback.token}\n"
        f"LINLI_WECOM_AES_KEY={callback.aes_key}\nLINLI_WECOM_API_BASE={base}",
        flush=True,
    )
    web.run_app(emulator.app(), host="127.0.0.1", port=options.port, print=None)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
