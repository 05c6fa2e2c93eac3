"""The official account (公众号): `/webhooks/wechat/webhook`, where WeChat calls us.

WeChat gives us 5 seconds and tries three times. A message is stored before anything else; the try
then waits for its reply up to LINLI_WECHAT_REPLY_BUDGET_SECONDS. What is not ready by then goes out
by the outbox as a customer-service message. A retry finds the stored message and joins it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from typing import Any

import aiohttp
from rasa.core.channels.channel import InputChannel
from sanic import Blueprint, Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse
from sqlalchemy import delete
from sqlalchemy.orm import sessionmaker

from bot.channels import remote_action
from bot.channels.callback import argument, guarded, plain, xml
from bot.channels.drain import OnNewMessage
from bot.channels.replies import Reply
from bot.channels.tracker import EVENTS
from bot.channels.webchat import authorised
from bot.channels.wechat_drain import WeChatDrain
from bot.channels.wechat_inward import CHANNEL, MENU_WORDS, as_inbound
from bot.platforms import quota, render
from bot.platforms.client import ApiClient
from bot.platforms.crypto import BadSignature, CallbackCrypto
from bot.platforms.quota import ServiceRules
from bot.platforms.replies import SUCCESS, passive_text
from bot.platforms.wechat import WeChatApi
from bot.platforms.xml import InboundMessage, body_hash, encrypted_part, parse_message, parse_xml
from bot.services import answers, inbox
from bot.services.clock import now
from bot.settings import Settings, settings

log = logging.getLogger(__name__)

MESSAGES_A_MINUTE = 20
TOO_FAST = "您发得有点快，我还在看前面的消息，请过一会儿再发。"
OPENING_EVENTS = {"subscribe", "scan", "click"}


class WeChat(InputChannel):
    """Rasa's channel of the official account; without settings it has no routes."""

    def __init__(self) -> None:
        self._http: aiohttp.ClientSession | None = None
        self._api: WeChatApi | None = None

    @classmethod
    def name(cls) -> str:
        """Name in credentials.yml and in the address."""
        return CHANNEL

    def blueprint(self, on_new_message: OnNewMessage) -> Blueprint:
        """The channel's routes."""
        routes = Blueprint(CHANNEL, __name__)
        config = settings()
        if not config.wechat_enabled:
            return routes
        remote_action.install()
        drain = WeChatDrain(on_new_message, self._client, config.attachments_dir)
        account = Account(config, drain)

        @routes.get("/webhook")
        async def check_url(request: Request) -> HTTPResponse:
            return await guarded(CHANNEL, request, lambda: account.check_url(request))

        @routes.post("/webhook")
        async def webhook(request: Request) -> HTTPResponse:
            return await guarded(CHANNEL, request, lambda: account.receive(request))

        @routes.post("/drain")
        async def go_on(request: Request) -> HTTPResponse:
            if not authorised(request):
                return response.json({"error": "not authorised"}, status=401)
            drain.start(CHANNEL, str(request.json["sender"]))
            return response.json({}, status=202)

        @routes.listener("after_server_start")
        async def connect(_app: Sanic, *_loop: Any) -> None:
            self._http = aiohttp.ClientSession()
            client = ApiClient(self._http, config.wechat_api_base)
            self._api = WeChatApi(
                client, drain.factory, appid=config.wechat_appid, secret=config.wechat_secret
            )

        @routes.listener("before_server_stop")
        async def disconnect(_app: Sanic, *_loop: Any) -> None:
            if self._http:
                await self._http.close()

        return routes

    def _client(self) -> WeChatApi:
        assert self._api is not None, "the server has not started"
        return self._api


class Account:
    """One official account: who may call, and what is answered in time."""

    def __init__(self, config: Settings, drain: WeChatDrain) -> None:
        self._drain = drain
        self._budget = config.wechat_reply_budget_seconds
        self._encrypted = bool(config.wechat_aes_key)
        self._rules = service_rules(config)
        self._crypto = CallbackCrypto(
            config.wechat_token,
            aes_key=config.wechat_aes_key,
            receive_id=config.wechat_appid,
            window=config.wechat_timestamp_window,
        )

    @property
    def _factory(self) -> sessionmaker:
        return self._drain.factory

    async def check_url(self, request: Request) -> HTTPResponse:
        """The console's check: the same text back."""
        self._check_plain(request)
        return plain(argument(request, "echostr"))

    def _check_plain(self, request: Request) -> None:
        parts = [argument(request, name) for name in ("signature", "timestamp", "nonce")]
        self._crypto.check_plain(parts[0], parts[1], parts[2], time.time())

    async def receive(self, request: Request) -> HTTPResponse:
        """One try of one message."""
        arrived = asyncio.get_running_loop().time()
        message = await self._open(request)
        if message.kind == "event" and not _wants_reply(message):
            await self._note(message)
            return plain(SUCCESS)
        at = now()
        if await self._too_fast(message, at):
            return self._sealed(message, TOO_FAST)
        inbound = await asyncio.to_thread(as_inbound, self._factory, message, at)
        received = await asyncio.to_thread(inbox.receive, self._factory, inbound, at)
        if not received.same_body:
            raise BadSignature("the same message again, with another body")
        if not received.duplicate:
            await asyncio.to_thread(self._open_window, message, at)
        if not received.done:
            self._drain.start(CHANNEL, message.sender)
        left = self._budget - (asyncio.get_running_loop().time() - arrived)
        return await self._answer(message, received.id, left)

    async def _open(self, request: Request) -> InboundMessage:
        """Check and decrypt. With a key set, an unencrypted body is refused: in plain mode the
        signature does not cover the body, so whoever sees one call could send any other."""
        if not self._encrypted:
            self._check_plain(request)
            message = parse_message(request.body)
            await self._check_replay(argument(request, "signature"), message)
            return message
        encrypted = encrypted_part(parse_xml(request.body))
        if not encrypted:
            raise BadSignature(
                "plain message, but LINLI_WECHAT_AES_KEY is set: choose the compatible or safe "
                "mode in the console, or unset the key"
            )
        return parse_message(
            self._crypto.open(
                encrypted,
                argument(request, "msg_signature"),
                argument(request, "timestamp"),
                argument(request, "nonce"),
                time.time(),
            )
        )

    async def _check_replay(self, signature: str, message: InboundMessage) -> None:
        same = await asyncio.to_thread(
            answers.remember_signature,
            self._factory,
            CHANNEL,
            signature,
            body_hash(message),
            now(),
        )
        if not same:
            raise BadSignature("a signature that was used for another body")

    def _open_window(self, message: InboundMessage, at: dt.datetime) -> None:
        opened = quota.opened_by_message
        if message.kind == "event":
            opened = quota.opened_by_tap
        opened(self._factory, CHANNEL, message.sender, self._rules, at)

    async def _too_fast(self, message: InboundMessage, at: dt.datetime) -> bool:
        return await asyncio.to_thread(
            answers.too_many,
            self._factory,
            CHANNEL,
            message.sender,
            message.key,
            at - dt.timedelta(minutes=1),
            MESSAGES_A_MINUTE,
        )

    async def _note(self, message: InboundMessage) -> None:
        """Events that nobody waits on."""
        if message.event == "unsubscribe":
            await asyncio.to_thread(forget, self._factory, message.sender)
        for template_id, accepted in message.popups:
            if accepted:
                await asyncio.to_thread(
                    quota.consent_given, self._factory, CHANNEL, message.sender, template_id
                )
        if message.status not in {"", "success"}:
            log.warning("template job %s: %s", message.msg_id, message.status[:60])

    async def _answer(self, message: InboundMessage, inbox_id: int, seconds: float) -> HTTPResponse:
        """The reply within the time; or nothing now, and the reply by the outbox."""
        replies = await self._drain.wait(inbox_id, seconds)
        if replies is None:
            if await asyncio.to_thread(answers.let_go, self._factory, inbox_id, now()):
                return plain(SUCCESS)
            _, replies = await asyncio.to_thread(answers.result, self._factory, inbox_id)
        if not await asyncio.to_thread(answers.take_passive, self._factory, inbox_id, now()):
            await asyncio.to_thread(answers.queue_late, self._factory, inbox_id, now())
            return plain(SUCCESS)
        return await self._passive(message, inbox_id, replies or [])

    async def _passive(
        self, message: InboundMessage, inbox_id: int, replies: list[Reply]
    ) -> HTTPResponse:
        texts = await asyncio.to_thread(self._texts, message.sender, inbox_id, replies)
        if not texts:
            return plain(SUCCESS)
        if len(texts) > 1:
            await asyncio.to_thread(answers.queue_rest, self._factory, inbox_id, texts[1:], now())
        return self._sealed(message, texts[0])

    def _texts(self, user: str, inbox_id: int, replies: list[Reply]) -> list[str]:
        messages = render.outgoing(
            self._factory, CHANNEL, user, f"inbox:{inbox_id}", replies, now()
        )
        return render.one_text(messages)

    def _sealed(self, message: InboundMessage, text: str) -> HTTPResponse:
        reply = passive_text(message.sender, message.recipient, text, int(time.time()))
        return xml(self._crypto.seal(reply) if self._encrypted else reply)


def _wants_reply(message: InboundMessage) -> bool:
    return message.event in {"subscribe", "scan"} or (
        message.event == "click" and message.event_key in MENU_WORDS
    )


def service_rules(config: Settings) -> ServiceRules:
    """The customer-service limits of this installation."""
    return ServiceRules(
        message_sends=config.wechat_service_sends,
        message_window=dt.timedelta(hours=config.wechat_service_hours),
        tap_sends=config.wechat_tap_sends,
    )


def forget(factory: sessionmaker, sender: str) -> None:
    """The person unfollowed: personal data goes, with the conversation; tickets stay."""
    answers.forget(factory, CHANNEL, sender, now())
    with factory.begin() as session:
        session.execute(delete(EVENTS).where(EVENTS.c.sender_id == sender))
