"""Rasa's side of the chat page. Only the desk and the worker call it, with the shared token."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import Any

from rasa.core.channels.channel import InputChannel
from sanic import Blueprint, Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse

from bot.channels import remote_action
from bot.channels.drain import Drain, OnNewMessage
from bot.services import inbox
from bot.services.clock import now
from bot.services.inbox import Inbound
from bot.settings import settings

log = logging.getLogger(__name__)


def authorised(request: Request) -> bool:
    """Whether the caller knows LINLI_RASA_TOKEN."""
    expected = f"Bearer {settings().rasa_token}"
    return hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode())


class WebChat(InputChannel):
    """`/webhooks/webchat/webhook` takes a message, `/drain` goes on with a sender's messages."""

    @classmethod
    def name(cls) -> str:
        """Name in credentials.yml, in addresses and in the tracker."""
        return "webchat"

    def blueprint(self, on_new_message: OnNewMessage) -> Blueprint:
        """The channel's routes."""
        remote_action.install()
        routes = Blueprint("webchat", __name__)
        drain = Drain(on_new_message)

        @routes.get("/")
        async def health(_request: Request) -> HTTPResponse:
            return response.json({"status": "ok"})

        @routes.post("/webhook")
        async def webhook(request: Request) -> HTTPResponse:
            return await _guarded(request, lambda body: _receive(drain, body))

        @routes.post("/drain")
        async def go_on(request: Request) -> HTTPResponse:
            return await _guarded(request, lambda body: _go_on(drain, body))

        @routes.listener("after_server_start")
        async def warm_up(app: Sanic, *_loop: Any) -> None:
            await _warm_up(app)

        return routes


async def _guarded(request: Request, handle: Any) -> HTTPResponse:
    """Check the caller and the shape of the body, then handle."""
    if not authorised(request):
        return response.json({"error": "not authorised"}, status=401)
    body = request.json
    if not isinstance(body, dict):
        return response.json({"error": "a JSON object is needed"}, status=400)
    try:
        return await handle(body)
    except (KeyError, TypeError, ValueError) as error:
        return response.json({"error": f"bad message: {error!r}"}, status=400)


async def _receive(drain: Drain, body: dict[str, Any]) -> HTTPResponse:
    text, media = body["text"], body.get("media") or {}
    if not isinstance(text, str) or not isinstance(media, dict):
        raise TypeError("text or media")
    key, sender, kind = (_word(body, name) for name in ("key", "sender", "kind"))
    message = Inbound(WebChat.name(), key, sender, text, kind, media, body.get("body_hash"))
    received = await asyncio.to_thread(inbox.receive, drain.factory, message, now())
    drain.start(message.channel, message.sender)
    return response.json({"id": received.id}, status=202)


async def _go_on(drain: Drain, body: dict[str, Any]) -> HTTPResponse:
    drain.start(body.get("channel") or WebChat.name(), _word(body, "sender"))
    return response.json({}, status=202)


def _word(body: dict[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or not 0 < len(value) <= 120:
        raise ValueError(name)
    return value


async def _warm_up(app: Sanic) -> None:
    """Read one message before serving: the first costs half a second (jieba's dictionary)."""
    agent = getattr(app.ctx, "agent", None)
    if agent is not None and agent.is_ready():
        await agent.parse_message("你好")
