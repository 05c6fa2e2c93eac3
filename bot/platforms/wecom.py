"""API of a WeCom (企业微信) application: sending, template cards, log-in, media, group robots."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import sessionmaker

from bot.platforms import quota
from bot.platforms.client import ApiClient, Media
from bot.platforms.errors import PlatformError
from bot.platforms.quota import ROBOT_LIMITS, WECOM_LIMITS, Limit
from bot.platforms.tokens import Clock, TokenStore, utc_now
from bot.settings import Settings

AUTHORIZE = "https://open.weixin.qq.com/connect/oauth2/authorize"
DUPLICATE_SECONDS = 1800
NOT_VISIBLE = 81013
OUTSIDER = 60111


@dataclass(frozen=True)
class Button:
    """One button of a card; `key` comes back when it is tapped."""

    text: str
    key: str
    style: int = 1


@dataclass(frozen=True)
class Card:
    """A task card with buttons (template_card, button_interaction)."""

    task_id: str  # unique in the application, at most 128 bytes
    title: str
    subtitle: str
    lines: tuple[tuple[str, str], ...]  # (name, value)
    buttons: tuple[Button, ...]
    url: str


class WeComApi:
    """One WeCom application. Every failure is a PlatformError."""

    def __init__(
        self,
        client: ApiClient,
        factory: sessionmaker,
        *,
        corpid: str,
        agent_id: str,
        secret: str,
        clock: Clock = utc_now,
        limits: Sequence[Limit] = WECOM_LIMITS,
        robot_limits: Sequence[Limit] = ROBOT_LIMITS,
    ) -> None:
        self._client = client
        self._factory = factory
        self._corpid = corpid
        self._agent_id = agent_id
        self._secret = secret
        self._clock = clock
        self._limits = limits
        self._robot_limits = robot_limits
        self.token = TokenStore(factory, f"wecom:{corpid}:{agent_id}", self._fetch_token, clock)

    async def _fetch_token(self, _force: bool) -> tuple[str, int]:
        answer = await self._client.get(
            "/cgi-bin/gettoken", {"corpid": self._corpid, "corpsecret": self._secret}
        )
        return str(answer["access_token"]), int(answer["expires_in"])

    async def send_text(self, userid: str, text: str) -> None:
        """Text message to one member, at most 2048 bytes."""
        await self._send(userid, "text", {"content": text})

    async def send_markdown(self, userid: str, text: str) -> None:
        """Markdown message to one member."""
        await self._send(userid, "markdown", {"content": text})

    async def send_card(self, userid: str, card: Card) -> str:
        """Task card to one member; the response_code with which it may be updated once."""
        content = {
            "card_type": "button_interaction",
            "task_id": card.task_id,
            "main_title": {"title": card.title, "desc": card.subtitle},
            "horizontal_content_list": [
                {"keyname": name, "value": value} for name, value in card.lines
            ],
            "card_action": {"type": 1, "url": card.url},
            "button_list": [{"text": b.text, "style": b.style, "key": b.key} for b in card.buttons],
        }
        return await self._send(userid, "template_card", content)

    async def _send(self, userid: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send below the limits, since WeCom drops the excess without a word."""
        userid = userid.lower()
        await asyncio.to_thread(
            quota.take_rate, self._factory, f"wecom:{userid}", self._limits, self._clock()
        )
        body = {
            "touser": userid,
            "agentid": int(self._agent_id),
            "msgtype": kind,
            kind: content,
            "enable_duplicate_check": 1,
            "duplicate_check_interval": DUPLICATE_SECONDS,
        }
        answer = await self._client.post("/cgi-bin/message/send", body, token=self.token)
        _check_receivers(answer, userid)
        return str(answer.get("response_code", ""))

    async def update_card(self, response_code: str, words: str) -> None:
        """Turn a card's buttons into one grey line, such as 已被接单; once, within 72 hours."""
        body = {
            "atall": 1,
            "agentid": int(self._agent_id),
            "response_code": response_code,
            "button": {"replace_name": words},
        }
        await self._client.post("/cgi-bin/message/update_template_card", body, token=self.token)

    async def userid_of(self, code: str) -> str:
        """The member behind a log-in code. Raises PlatformError 60111 for an outsider."""
        answer = await self._client.get(
            "/cgi-bin/auth/getuserinfo", {"code": code}, token=self.token
        )
        userid = str(answer.get("userid", "")).lower()
        if not userid:
            raise PlatformError(OUTSIDER, "/cgi-bin/auth/getuserinfo")
        return userid

    async def media(self, media_id: str) -> Media:
        """A picture, voice or video that a member sent; kept by the platform for 3 days."""
        return await self._client.download(
            "/cgi-bin/media/get", {"media_id": media_id}, token=self.token
        )

    async def notify_group(self, robot_key: str, text: str) -> None:
        """Message by a group robot (群机器人), at most 20 a minute."""
        await asyncio.to_thread(
            quota.take_rate, self._factory, f"robot:{robot_key}", self._robot_limits, self._clock()
        )
        body = {"msgtype": "text", "text": {"content": text}}
        await self._client.post("/cgi-bin/webhook/send", body, params={"key": robot_key})

    def authorize_url(self, redirect: str, state: str, base: str = AUTHORIZE) -> str:
        """Where to send a browser inside WeCom so that it comes back with a code."""
        query = urlencode(
            {
                "appid": self._corpid,
                "redirect_uri": redirect,
                "response_type": "code",
                "scope": "snsapi_base",
                "state": state,
                "agentid": self._agent_id,
            }
        )
        return f"{base}?{query}#wechat_redirect"


def make_api(config: Settings, client: ApiClient, factory: sessionmaker) -> WeComApi:
    """The API of the configured application."""
    return WeComApi(
        client,
        factory,
        corpid=config.wecom_corpid,
        agent_id=config.wecom_agent_id,
        secret=config.wecom_secret,
        limits=(Limit(config.wecom_sends_a_minute, 60), Limit(config.wecom_sends_an_hour, 3600)),
        robot_limits=(Limit(config.wecom_robot_sends_a_minute, 60),),
    )


def _check_receivers(answer: Mapping[str, Any], userid: str) -> None:
    """errcode 0 may still mean that this member got nothing."""
    for name in ("invaliduser", "unlicenseduser"):
        if userid in str(answer.get(name, "")).lower().split("|"):
            raise PlatformError(NOT_VISIBLE, "/cgi-bin/message/send", name)
