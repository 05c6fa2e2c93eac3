"""API of a WeChat official account (公众号): tokens, sending, QR codes, media, menu, log-in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import sessionmaker

from bot.platforms.client import ApiClient, Media
from bot.platforms.errors import PlatformError
from bot.platforms.replies import Outgoing
from bot.platforms.tokens import Clock, TokenStore, utc_now

AUTHORIZE = "https://open.weixin.qq.com/connect/oauth2/authorize"
STATE = re.compile(r"[a-zA-Z0-9]{1,128}")
SCENE_MAX = 64
TEMPORARY_QR_MAX = 2_592_000


class SnapshotUser(Exception):
    """The page was opened in preview mode: the openid is not the person's."""


class WeChatApi:
    """One official account. Every failure is a PlatformError."""

    def __init__(
        self,
        client: ApiClient,
        factory: sessionmaker,
        *,
        appid: str,
        secret: str,
        clock: Clock = utc_now,
    ) -> None:
        self._client = client
        self._appid = appid
        self._secret = secret
        self.token = TokenStore(factory, f"wechat:{appid}", self._fetch_token, clock)

    async def _fetch_token(self, force: bool) -> tuple[str, int]:
        answer = await self._client.post(
            "/cgi-bin/stable_token",
            {
                "grant_type": "client_credential",
                "appid": self._appid,
                "secret": self._secret,
                "force_refresh": force,
            },
        )
        return str(answer["access_token"]), int(answer["expires_in"])

    async def send_text(self, openid: str, text: str) -> None:
        """Customer-service text message (客服消息), at most 2048 bytes."""
        await self._send_custom(openid, "text", {"content": text})

    async def send_menu(self, openid: str, message: Outgoing) -> None:
        """Customer-service message with tappable choices (msgmenu)."""
        choices = [{"id": str(c.menu_id), "content": c.label} for c in message.choices]
        menu = {"head_content": message.text, "list": choices, "tail_content": ""}
        await self._send_custom(openid, "msgmenu", menu)

    async def _send_custom(self, openid: str, kind: str, content: Mapping[str, Any]) -> None:
        body = {"touser": openid, "msgtype": kind, kind: content}
        await self._client.post("/cgi-bin/message/custom/send", body, token=self.token)

    async def send_template(
        self, openid: str, template_id: str, data: Mapping[str, str], url: str = ""
    ) -> str:
        """Template message (模板消息, service accounts only); its msgid."""
        values = {name: {"value": value} for name, value in data.items()}
        body = {"touser": openid, "template_id": template_id, "url": url, "data": values}
        answer = await self._client.post("/cgi-bin/message/template/send", body, token=self.token)
        return str(answer.get("msgid", ""))

    async def send_subscribed(
        self, openid: str, template_id: str, data: Mapping[str, str], page: str = ""
    ) -> None:
        """Subscribe message (订阅通知): one consent, one send."""
        values = {name: {"value": value} for name, value in data.items()}
        body = {"touser": openid, "template_id": template_id, "page": page, "data": values}
        await self._client.post("/cgi-bin/message/subscribe/bizsend", body, token=self.token)

    async def create_qr(self, scene: str, *, seconds: int | None = None) -> str:
        """Content of a QR code that brings `scene` with it; permanent without `seconds`."""
        if not 1 <= len(scene) <= SCENE_MAX:
            raise ValueError("scene must have 1 to 64 characters")
        body: dict[str, Any] = {"action_info": {"scene": {"scene_str": scene}}}
        if seconds is None:
            body["action_name"] = "QR_LIMIT_STR_SCENE"
        else:
            body |= {
                "action_name": "QR_STR_SCENE",
                "expire_seconds": min(seconds, TEMPORARY_QR_MAX),
            }
        answer = await self._client.post("/cgi-bin/qrcode/create", body, token=self.token)
        return str(answer["url"])

    async def media(self, media_id: str) -> Media:
        """A picture, voice or video that someone sent; the platform keeps it for 3 days."""
        return await self._client.download(
            "/cgi-bin/media/get", {"media_id": media_id}, token=self.token
        )

    async def publish_menu(self, buttons: Sequence[Mapping[str, Any]]) -> None:
        """Replace the account's custom menu (自定义菜单)."""
        await self._client.post("/cgi-bin/menu/create", {"button": list(buttons)}, token=self.token)

    async def openid_of(self, code: str) -> str:
        """The person behind an OAuth code, which works once and for 5 minutes."""
        answer = await self._client.get(
            "/sns/oauth2/access_token",
            {
                "appid": self._appid,
                "secret": self._secret,
                "code": code,
                "grant_type": "authorization_code",
            },
        )
        if int(answer.get("is_snapshotuser") or 0) == 1:
            raise SnapshotUser()
        openid = str(answer.get("openid", ""))
        if not openid:
            raise PlatformError(40029, "/sns/oauth2/access_token")
        return openid

    def authorize_url(self, redirect: str, state: str, base: str = AUTHORIZE) -> str:
        """Where to send a browser inside WeChat so that it comes back with a code."""
        if not STATE.fullmatch(state):
            raise ValueError("state must be 1 to 128 letters or digits")
        query = urlencode(
            {
                "appid": self._appid,
                "redirect_uri": redirect,
                "response_type": "code",
                "scope": "snsapi_base",
                "state": state,
            }
        )
        return f"{base}?{query}#wechat_redirect"
