"""What both emulated platforms share: a clock, phones, strict call-backs, tokens, faults.

The crypto here is wechatpy's; the product's is built on `cryptography` directly.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.etree import ElementTree

import aiohttp
from aiohttp import web
from wechatpy.utils import WeChatSigner

UNAVAILABLE = "该公众号暂时无法提供服务，请稍后再试"


class Clock:
    """Real time plus what a test has added."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += seconds


@dataclass
class Shown:
    """One line on a phone."""

    direction: str  # "sent" by the person or "got"
    kind: str
    text: str
    at: float
    via: str = ""  # passive | custom | template | … where it came from
    data: dict[str, Any] = field(default_factory=dict)


class ApiError(Exception):
    """What the platform answers instead of a result."""

    def __init__(self, errcode: int, errmsg: str = "error") -> None:
        super().__init__(errmsg)
        self.errcode, self.errmsg = errcode, errmsg


@dataclass
class Tokens:
    """Access tokens: the last one issued, and the one before for five more minutes."""

    clock: Clock
    lifetime: int = 7200
    grace: int = 300
    expiry: dict[str, float] = field(default_factory=dict)
    current: str = ""
    issued: int = 0

    def issue(self) -> str:
        now = self.clock.now()
        if self.current:
            self.expiry[self.current] = min(self.expiry[self.current], now + self.grace)
        self.current = secrets.token_urlsafe(96)
        self.expiry[self.current] = now + self.lifetime
        self.issued += 1
        return self.current

    def remaining(self) -> int:
        return int(self.expiry.get(self.current, 0) - self.clock.now())

    def check(self, token: str | None) -> None:
        if not token:
            raise ApiError(41001, "access_token missing")
        if token not in self.expiry:
            raise ApiError(40001, "invalid credential")
        if self.expiry[token] <= self.clock.now():
            raise ApiError(42001, "access_token expired")

    def revoke(self) -> None:
        """The worst moment: the token in use dies without notice."""
        self.expiry[self.current] = self.clock.now() - 1


@dataclass
class Fault:
    errcode: int
    times: int


@dataclass
class Attempt:
    """One try of a call-back."""

    status: int | None  # None: no answer in time
    body: str
    seconds: float


@dataclass
class Delivered:
    """What became of one message: its tries, and the answer that counted."""

    attempts: list[Attempt]
    answer: str | None = None  # text shown; None for "success" or nothing
    failed: bool = False


def signature(*parts: str) -> str:
    signer = WeChatSigner()
    signer.add_data(*parts)
    return signer.signature


@dataclass
class Callback:
    """How and where to call back."""

    url: str
    token: str
    aes_key: str = ""
    receive_id: str = ""
    mode: str = "plain"  # plain | compatible | safe
    deadline: float = 5.0
    tries: int = 3
    # Seconds before the deadline at which the next try already starts, so that tries overlap.
    overlap: float = 0.0
    drop: bool = True  # close the connection at the deadline, as the platform does


class Caller:
    """Posts one message with the deadline and the retries of the platform."""

    def __init__(self, callback: Callback, clock: Clock, crypto: Any, agent_id: str = "") -> None:
        self.callback, self.clock, self.crypto = callback, clock, crypto
        self.agent_id = agent_id
        self.session: aiohttp.ClientSession | None = None
        self.posts = 0
        self._stray: set[asyncio.Task] = set()

    async def start(self) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=60)
        )

    async def stop(self) -> None:
        for task in self._stray:
            task.cancel()
        if self.session:
            await self.session.close()

    def request(self, xml: str, timestamp: str, nonce: str) -> tuple[dict[str, str], str]:
        """Query and body of one try, in the mode of the account."""
        mode, token = self.callback.mode, self.callback.token
        query = {"timestamp": timestamp, "nonce": nonce}
        if mode in {"plain", "compatible"} or not self.agent_id:
            query["signature"] = signature(token, timestamp, nonce)
            query["openid"] = _field(xml, "FromUserName")
        if mode == "plain":
            return query, xml
        sealed = ElementTree.fromstring(self.crypto.encrypt_message(xml, nonce, timestamp))
        encrypted = sealed.findtext("Encrypt") or ""
        query["msg_signature"] = sealed.findtext("MsgSignature") or ""
        if not self.agent_id:
            query["encrypt_type"] = "aes"
        account = f"<ToUserName><![CDATA[{_field(xml, 'ToUserName')}]]></ToUserName>"
        part = f"<Encrypt><![CDATA[{encrypted}]]></Encrypt>"
        agent = f"<AgentID><![CDATA[{self.agent_id}]]></AgentID>" if self.agent_id else ""
        if mode == "compatible":
            return query, xml.replace("</xml>", part + "</xml>")
        return query, f"<xml>{account}{part}{agent}</xml>"

    async def deliver(self, xml: str, read: Callable[[str], str | None]) -> Delivered:
        """Try until answered; `read` turns a body into the text shown, or raises ValueError."""
        timestamp, nonce = str(int(self.clock.now())), secrets.token_hex(5)
        attempts: list[Attempt] = []
        running: set[asyncio.Task] = set()
        for number in range(self.callback.tries):
            running.add(asyncio.create_task(self._timed(xml, timestamp, nonce)))
            last = number == self.callback.tries - 1
            patience = None if last else self.callback.deadline - self.callback.overlap
            answer, running = await self._listen(running, attempts, patience)
            if answer:
                self._leave(running)
                return self._accepted(answer, attempts, read)
        return Delivered(attempts, UNAVAILABLE, failed=True)

    async def _listen(
        self, running: set[asyncio.Task], attempts: list[Attempt], patience: float | None
    ) -> tuple[Attempt | None, set[asyncio.Task]]:
        """Until an answer, until all tries have failed, or until it is time for the next."""
        loop = asyncio.get_running_loop()
        end = None if patience is None else loop.time() + patience
        while running:
            left = None if end is None else max(0, end - loop.time())
            done, running = await asyncio.wait(
                running, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return None, running
            for task in done:
                attempts.append(task.result())
                if task.result().status == 200:
                    return task.result(), running
        return None, running

    async def _timed(self, xml: str, timestamp: str, nonce: str) -> Attempt:
        """One try with its deadline; after it we hang up, or ignore what still comes."""
        task = asyncio.create_task(self._once(xml, timestamp, nonce))
        try:
            done, _ = await asyncio.wait({task}, timeout=self.callback.deadline)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if done:
            return task.result()
        self._leave({task})
        return Attempt(None, "", self.callback.deadline)

    def _leave(self, tasks: set[asyncio.Task]) -> None:
        for task in tasks:
            if self.callback.drop:
                task.cancel()
            else:
                self._stray.add(task)
                task.add_done_callback(self._stray.discard)

    def _accepted(
        self, answer: Attempt, attempts: list[Attempt], read: Callable[[str], str | None]
    ) -> Delivered:
        try:
            return Delivered(attempts, read(answer.body))
        except ValueError as error:
            answer.body = f"{error}: {answer.body[:200]}"
            return Delivered(attempts, UNAVAILABLE, failed=True)

    async def _once(self, xml: str, timestamp: str, nonce: str) -> Attempt:
        query, body = self.request(xml, timestamp, nonce)
        started = time.monotonic()
        assert self.session
        self.posts += 1
        try:
            async with self.session.post(
                self.callback.url,
                params=query,
                data=body.encode(),
                headers={"Content-Type": "text/xml"},
            ) as response:
                text = await response.text()
                return Attempt(response.status, text, time.monotonic() - started)
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            return Attempt(0, type(error).__name__, time.monotonic() - started)


def _field(xml: str, tag: str) -> str:
    return ElementTree.fromstring(xml).findtext(tag) or ""


def cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def message_xml(fields: dict[str, Any]) -> str:
    """Numbers bare, texts in CDATA, dictionaries nested, as the platforms write them."""

    def render(value: Any) -> str:
        if isinstance(value, dict):
            return "".join(f"<{k}>{render(v)}</{k}>" for k, v in value.items())
        return str(value) if isinstance(value, int) else cdata(str(value))

    return f"<xml>{render(fields)}</xml>"


class Platform:
    """Phones, faults, counters and the JSON face of an emulated platform."""

    def __init__(self, caller: Caller, clock: Clock) -> None:
        self.clock, self.caller = clock, caller
        self.tokens = Tokens(clock)
        self.phones: dict[str, list[Shown]] = {}
        self.faults: dict[str, Fault] = {}
        self.calls: Counter[str] = Counter()
        self.errors: list[tuple[str, int]] = []
        self.media: dict[str, tuple[bytes, str, float]] = {}
        self.codes: dict[str, tuple[str, float]] = {}
        self.slow: dict[str, float] = {}
        self._next_id = int(time.time()) * 1_000_000

    def next_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def show(self, user: str, shown: Shown) -> None:
        self.phones.setdefault(user, []).append(shown)

    def got(self, user: str) -> list[str]:
        """Texts that a person has received."""
        return [s.text for s in self.phones.get(user, []) if s.direction == "got"]

    def fail(self, path: str, errcode: int, times: int = 1) -> None:
        self.faults[path] = Fault(errcode, times)

    def put_media(self, data: bytes, mime: str) -> str:
        media_id = secrets.token_urlsafe(24)
        self.media[media_id] = (data, mime, self.clock.now())
        return media_id

    def new_code(self, user: str) -> str:
        code = secrets.token_hex(16)
        self.codes[code] = (user, self.clock.now() + 300)
        return code

    def use_code(self, code: str) -> str:
        if code not in self.codes:
            raise ApiError(40029, "invalid code")
        user, until = self.codes[code]
        if not user:
            raise ApiError(40163, "code been used")
        self.codes[code] = ("", until)
        if until < self.clock.now():
            raise ApiError(40029, "code expired")
        return user

    def api(self, handler: Callable, *, token: bool = True) -> Callable:
        """A view: counts, injected faults, token check, errors as HTTP 200 with JSON."""

        async def view(request: web.Request) -> web.StreamResponse:
            path = request.path
            self.calls[path] += 1
            try:
                await asyncio.sleep(self.slow.get(path, 0))
                fault = self.faults.get(path)
                if fault and fault.times > 0:
                    fault.times -= 1
                    raise ApiError(fault.errcode, "injected")
                if token:
                    self.tokens.check(request.query.get("access_token"))
                result = await handler(request)
            except ApiError as error:
                self.errors.append((path, error.errcode))
                return web.json_response({"errcode": error.errcode, "errmsg": error.errmsg})
            if isinstance(result, web.StreamResponse):
                return result
            return web.json_response({"errcode": 0, "errmsg": "ok", **result})

        return view

    async def body(self, request: web.Request) -> dict[str, Any]:
        raw = await request.read()
        # The platforms show \u escapes to people as they are, so they are refused here.
        if re.search(rb"\\u[0-9a-f]{4}", raw):
            raise ApiError(47001, "escaped text")
        try:
            content = await request.json()
        except ValueError as error:
            raise ApiError(47001, "data format error") from error
        if not isinstance(content, dict):
            raise ApiError(47001, "data format error")
        return content

    async def get_media(self, request: web.Request) -> web.Response:
        data, mime, at = self.media.get(request.query.get("media_id", ""), (b"", "", 0.0))
        if not mime or at + 3 * 86400 < self.clock.now():
            raise ApiError(40007, "invalid media_id")
        return web.Response(body=data, content_type=mime)

    def state(self) -> dict[str, Any]:
        return {
            "now": self.clock.now(),
            "phones": {user: [asdict(s) for s in lines] for user, lines in self.phones.items()},
            "tokens_issued": self.tokens.issued,
            "calls": dict(self.calls),
            "errors": self.errors,
        }
