"""Messages to a resident on WeChat by whatever route is open, in the order that costs least.

Customer-service message → subscribe message → template message. Each refusal is kept with its
errcode; what no route takes is shown when the resident next writes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import sessionmaker

from bot.platforms import quota
from bot.platforms.errors import (
    CONSENT_USED,
    MENU_NOT_SUPPORTED,
    QUOTA_USED,
    WINDOW_CLOSED,
    PlatformError,
)
from bot.platforms.replies import Outgoing, join_messages, with_links, with_numbers
from bot.platforms.wechat import WeChatApi

CHANNEL = "wechat"
SHANGHAI = dt.timezone(dt.timedelta(hours=8))
# Longest value of a field by its kind; WeChat refuses the whole message for one letter more.
FIELD_LIMITS = {"thing": 20, "character_string": 32, "phrase": 5, "time": 32, "name": 10}
SERVICE, SUBSCRIBE, TEMPLATE = "客服消息", "订阅通知", "模板消息"


@dataclass(frozen=True)
class Routes:
    """Templates of the account; a route without an id is not tried."""

    subscribe_id: str = ""
    subscribe_fields: str = ""
    template_id: str = ""
    template_fields: str = ""
    url: str = ""


@dataclass
class Report:
    """What became of a message: by which route, or why by none."""

    via: str = ""
    refused: list[tuple[str, PlatformError]] = field(default_factory=list)

    @property
    def sent(self) -> bool:
        """Whether some route took it."""
        return bool(self.via)

    @property
    def temporary(self) -> bool:
        """Whether a later try may succeed."""
        return any(error.temporary for _, error in self.refused)

    @property
    def errcode(self) -> int | None:
        """The first refusal's: it says why the best route was closed."""
        return self.refused[0][1].errcode if self.refused else None

    @property
    def words(self) -> str | None:
        """Each refusal in Chinese."""
        return "；".join(f"{name}：{error.reason}" for name, error in self.refused) or None


class WeChatDelivery:
    """Sends to residents of one official account."""

    def __init__(self, api: WeChatApi, factory: sessionmaker, routes: Routes) -> None:
        self._api = api
        self._factory = factory
        self._routes = routes

    async def send(
        self,
        openid: str,
        messages: Sequence[Outgoing],
        notice: dict[str, Any] | None,
        now: dt.datetime,
    ) -> Report:
        """Send by the first route that is open; a mere reply (no `notice`) has one route only.

        Stops at a temporary refusal: the whole is tried again later, not half of it elsewhere.
        """
        report = Report()
        try:
            await self._service(openid, messages, now)
            report.via = SERVICE
            return report
        except PlatformError as error:
            report.refused.append((SERVICE, error))
        if notice is None or report.temporary:
            return report
        await self._by_template(openid, notice, now, report)
        return report

    async def _service(self, openid: str, messages: Sequence[Outgoing], now: dt.datetime) -> None:
        for part in _parts(messages):
            await asyncio.to_thread(quota.take_service, self._factory, CHANNEL, openid, now)
            try:
                await self._send_part(openid, part)
            except PlatformError as error:
                if error.errcode in {WINDOW_CLOSED, QUOTA_USED}:
                    await asyncio.to_thread(quota.service_refused, self._factory, CHANNEL, openid)
                raise

    async def _send_part(self, openid: str, part: str | Outgoing) -> None:
        if isinstance(part, str):
            await self._api.send_text(openid, part)
            return
        try:
            await self._api.send_menu(openid, part)
        except PlatformError as error:
            if error.errcode != MENU_NOT_SUPPORTED:
                raise
            await self._api.send_text(openid, with_numbers(part))

    async def _by_template(
        self, openid: str, notice: dict[str, Any], now: dt.datetime, report: Report
    ) -> None:
        routes = self._routes
        if routes.subscribe_id:
            try:
                await self._subscribed(openid, notice, now)
                report.via = SUBSCRIBE
                return
            except PlatformError as error:
                report.refused.append((SUBSCRIBE, error))
        if routes.template_id and not report.temporary:
            try:
                values = template_values(routes.template_fields, notice, now)
                await self._api.send_template(openid, routes.template_id, values, routes.url)
                report.via = TEMPLATE
            except PlatformError as error:
                report.refused.append((TEMPLATE, error))

    async def _subscribed(self, openid: str, notice: dict[str, Any], now: dt.datetime) -> None:
        routes = self._routes
        taken = await asyncio.to_thread(
            quota.take_consent, self._factory, CHANNEL, openid, routes.subscribe_id
        )
        if not taken:
            raise PlatformError(CONSENT_USED, "quota")
        values = template_values(routes.subscribe_fields, notice, now)
        await self._api.send_subscribed(openid, routes.subscribe_id, values, routes.url)


def _parts(messages: Sequence[Outgoing]) -> list[str | Outgoing]:
    """As few sends as possible, for each counts: texts joined, and choices last as one menu."""
    *before, last = messages
    if not last.choices:
        return list(join_messages([with_links(message) for message in messages]))
    texts = join_messages([with_links(message) for message in before] + [last.text])
    menu = Outgoing(texts.pop() if texts else "", last.choices)
    return [*texts, menu]


def template_values(fields: str, notice: dict[str, Any], now: dt.datetime) -> dict[str, str]:
    """Values of `field=value,…` for this notice, each as long as its field allows."""
    known = {
        "number": str(notice.get("number") or "-"),
        "text": " ".join(str(notice.get("text") or "").split()),
        "time": now.astimezone(SHANGHAI).strftime("%Y年%m月%d日 %H:%M"),
    }
    values = {}
    for pair in filter(None, (part.strip() for part in fields.split(","))):
        name, _, value = pair.partition("=")
        limit = FIELD_LIMITS.get(name.rstrip("0123456789"), 20)
        words = known.get(value, value)
        values[name] = words if len(words) <= limit else words[: limit - 1] + "…"
    return values
