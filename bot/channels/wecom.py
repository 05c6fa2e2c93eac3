"""The WeCom application (企业微信) of the staff: `/webhooks/wecom/webhook`.

Always encrypted. Messages and card taps are stored and acknowledged at once, then handled in order;
what the member is told goes out through the outbox, in the transaction that ends the handling.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
from rasa.core.channels.channel import InputChannel
from sanic import Blueprint, Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse

from bot.channels.callback import argument, guarded, plain
from bot.channels.drain import OnNewMessage
from bot.channels.webchat import authorised
from bot.channels.wecom_drain import StaffDrain
from bot.platforms.client import ApiClient
from bot.platforms.crypto import BadSignature, CallbackCrypto
from bot.platforms.wecom import WeComApi, make_api
from bot.platforms.xml import InboundMessage, body_hash, encrypted_part, parse_message, parse_xml
from bot.services import staff_inbox
from bot.services.clock import now
from bot.services.inbox import Inbound
from bot.settings import Settings, settings

CHANNEL = staff_inbox.CHANNEL


class WeCom(InputChannel):
    """Rasa's channel of the WeCom application; without settings it has no routes."""

    def __init__(self) -> None:
        self._http: aiohttp.ClientSession | None = None
        self._api: WeComApi | None = None

    @classmethod
    def name(cls) -> str:
        """Name in credentials.yml and in the address."""
        return CHANNEL

    def blueprint(self, _on_new_message: OnNewMessage) -> Blueprint:
        """The channel's routes."""
        routes = Blueprint(CHANNEL, __name__)
        config = settings()
        if not config.wecom_enabled:
            return routes
        drain = StaffDrain(self._client, config.attachments_dir)
        application = Application(config, drain)

        @routes.get("/webhook")
        async def check_url(request: Request) -> HTTPResponse:
            return await guarded(CHANNEL, request, lambda: application.check_url(request))

        @routes.post("/webhook")
        async def webhook(request: Request) -> HTTPResponse:
            return await guarded(CHANNEL, request, lambda: application.receive(request))

        @routes.post("/drain")
        async def go_on(request: Request) -> HTTPResponse:
            if not authorised(request):
                return response.json({"error": "not authorised"}, status=401)
            drain.start(str(request.json["sender"]))
            return response.json({}, status=202)

        @routes.listener("after_server_start")
        async def connect(_app: Sanic, *_loop: Any) -> None:
            self._http = aiohttp.ClientSession()
            client = ApiClient(self._http, config.wecom_api_base)
            self._api = make_api(config, client, drain.factory)

        @routes.listener("before_server_stop")
        async def disconnect(_app: Sanic, *_loop: Any) -> None:
            if self._http:
                await self._http.close()

        return routes

    def _client(self) -> WeComApi:
        assert self._api is not None, "the server has not started"
        return self._api


class Application:
    """One WeCom application: who may call, and what is answered."""

    def __init__(self, config: Settings, drain: StaffDrain) -> None:
        self._drain = drain
        self._crypto = CallbackCrypto(
            config.wecom_token,
            aes_key=config.wecom_aes_key,
            receive_id=config.wecom_corpid,
            window=config.wechat_timestamp_window,
        )

    async def check_url(self, request: Request) -> HTTPResponse:
        """The console's check: the decrypted text, bare, within a second."""
        return plain(self._decrypt(request, argument(request, "echostr")))

    def _decrypt(self, request: Request, encrypted: str) -> str:
        return self._crypto.open(
            encrypted,
            argument(request, "msg_signature"),
            argument(request, "timestamp"),
            argument(request, "nonce"),
            time.time(),
        )

    async def receive(self, request: Request) -> HTTPResponse:
        """One try of one message or event: stored, then acknowledged."""
        encrypted = encrypted_part(parse_xml(request.body))
        message = parse_message(self._decrypt(request, encrypted))
        if message.kind == "event" and message.card is None:
            return plain("")  # entering the application and the like
        inbound = as_inbound(message)
        same = await asyncio.to_thread(staff_inbox.receive, self._drain.factory, inbound, now())
        if not same:
            raise BadSignature("the same message again, with another body")
        self._drain.start(inbound.sender)
        return plain("")


def as_inbound(message: InboundMessage) -> Inbound:
    """The message in the inbox's words; user ids count without regard to case."""
    kind, text, media = message.kind, message.text, {}
    if message.card is not None:
        kind, text = "tap", message.card.button
        media = {
            "task_id": message.card.task_id,
            "response_code": message.card.response_code,
        }
    elif message.media_id:
        media = {"media_id": message.media_id}
    key, sender = message.key, message.sender.lower()
    return Inbound(CHANNEL, key, sender, text, kind, media, body_hash(message))
