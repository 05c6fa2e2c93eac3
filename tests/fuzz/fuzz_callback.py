# ruff: noqa: E402  # what leads the search has to be imported in its own way, and first
"""Fuzzing of the call-backs of both platforms; run by hand, not collected by pytest.

    python -m tests.fuzz.fuzz_callback --seconds 300

Hypothesis makes whole calls: query, body, signature and cipher text of a plain, compatible or safe
mode, to an official account with and without a key and to a WeCom application, with a database of
their own. A finding is any exception (the server would answer 500), any status but those below, and
a call that takes longer than HANG_SECONDS.

Where atheris can be imported (`pip install atheris==2.3.0`; it is not in the lock) half of the time
is its: led by coverage it sends raw bytes through parsing and decryption, where anything but a
refusal is a finding. Arguments that are not known here are libFuzzer's.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import faulthandler
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import tests.conftest  # noqa: F401  # no setting of the developer's counts here

try:
    import atheris
except ImportError:
    atheris = None

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sanic import Sanic
from sanic.request import Request

# What the search is to be led by has to be imported here first.
INSTRUMENTED = ["bot.platforms.crypto", "bot.platforms.xml"]
with atheris.instrument_imports(include=INSTRUMENTED) if atheris else contextlib.nullcontext():
    from bot.platforms.crypto import CallbackCrypto, CallbackRefused, MessageCipher, sign
    from bot.platforms.xml import body_hash, encrypted_part, parse_message, parse_xml
from bot.channels.callback import guarded
from bot.channels.tracker import EVENTS
from bot.channels.wechat import Account
from bot.channels.wecom import Application
from tests.channels.house import make_settings
from tests.databases import connect, fill
from tests.emulators.base import message_xml

EXPECTED = {200, 400, 403, 413}
HANG_SECONDS = 10
KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
TOKEN, APPID, CORPID = "fuzz-token", "wxfuzz", "wwfuzz"
CRYPTO = CallbackCrypto(TOKEN, aes_key=KEY, receive_id=CORPID)
TARGETS = ("wechat with a key", "wechat without a key", "wecom")
seen: Counter[str] = Counter()


@dataclass(frozen=True)
class Call:
    """One call to one target."""

    target: str
    method: str
    query: dict[str, bytes]
    body: bytes


# --- what is sent ------------------------------------------------------------------------------

KINDS = ["text", "image", "voice", "video", "shortvideo", "location", "link", "event", "nonsense"]
NAMES = [
    "subscribe", "SCAN", "LOCATION", "CLICK", "VIEW", "TEMPLATESENDJOBFINISH",
    "subscribe_msg_popup_event", "unsubscribe", "template_card_event", "enter_agent", "nonsense",
]  # fmt: skip
TAGS = ["ToUserName", "FromUserName", "CreateTime", "MsgType", "Encrypt", "AgentID"]
CONTENT = [
    "MsgId", "Content", "bizmsgmenuid", "MediaId", "Format", "Recognition", "PicUrl", "Location_X",
    "Location_Y", "Label", "Title", "Description", "Url", "Event", "EventKey", "Ticket", "Latitude",
    "Longitude", "Precision", "MsgID", "Status", "TaskId", "CardType", "ResponseCode",
]  # fmt: skip
LISTS: dict[str, Any] = {
    "SelectedItems": {"SelectedItem": {"QuestionKey": "q", "OptionIds": {"OptionId": "o"}}},
    "SubscribeMsgPopupEvent": {"List": {"TemplateId": "t", "SubscribeStatusString": "accept"}},
}
# Characters that no XML may hold come with `pieces`; here they would only hide the rest.
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40) | st.sampled_from(
    ["", "0", "-1", "1e400", "NaN", "91", "180", "9" * 50, "٣", "接单", "qrscene_b", "查进度"]
)
values = words | st.integers(-(2**70), 2**70)


@st.composite
def mostly(draw: st.DrawFn, usual: list[Any], otherwise: st.SearchStrategy[Any]) -> Any:
    """What a real call has, so that most calls get past the checks; now and then something else."""
    odd = draw(st.sampled_from([False] * 9 + [True]))
    return draw(otherwise if odd else st.sampled_from(usual))


messages = st.builds(
    lambda who, at, kind, event, rest, lists: message_xml(
        {
            "ToUserName": "gh_fuzz", "FromUserName": who, "CreateTime": at, "MsgType": kind,
            "Event": event, **rest, **{name: LISTS[name] for name in lists},
        }
    ),
    mostly(["o1", "O2", "张三"], st.sampled_from(["", "x" * 101]) | words),
    mostly([0, 1_795_700_000, 10**12 - 1], values),
    st.sampled_from(KINDS),
    st.sampled_from(NAMES),
    st.dictionaries(mostly(CONTENT, st.sampled_from(TAGS)), values, max_size=4),
    st.sets(st.sampled_from(sorted(LISTS))),
).map(lambda xml: xml.encode("utf-8", "surrogatepass"))  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with a piece cut out and others put in."""
    whole = draw(messages)
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, min(len(whole), start + 40)))
    return whole[:start] + draw(pieces) + whole[end:]


pieces = st.binary(max_size=20) | st.sampled_from(
    [
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"&#0;", b"&#xD800;", b"]]>", b"<![CDATA[",
        b"<?xml version='1.0' encoding='utf-7'?>", b"\xff\xfe", b"\x00", b"<a>" * 30,
        b"xmlns:a='b'", b"</xml><xml>", b"<!--",
    ]
)  # fmt: skip
bodies = mostly([messages], st.just(damaged()) | st.just(st.binary(max_size=200))).flatmap(
    lambda kind: kind
)


def encrypted(plain: bytes) -> str:
    """Cipher text of bytes that need not be a message, filled up to whole blocks only."""
    key = base64.b64decode(KEY + "=")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    data = plain + bytes(-len(plain) % 32)
    return base64.b64encode(encryptor.update(data) + encryptor.finalize()).decode()


@st.composite
def sealed(draw: st.DrawFn, body: bytes, target: str) -> str:
    """Cipher text of the body; or of something else, or none at all."""
    how = draw(mostly(["right"], st.sampled_from(["other receiver", "plain text", "none"])))
    if how == "none":
        return draw(st.text(max_size=60))
    if how == "plain text":
        salted = draw(st.binary(max_size=20)) + body[:100] + draw(st.binary(max_size=40))
        return encrypted(salted)
    receiver = {"right": CORPID if target == "wecom" else APPID}.get(how, "wxother")
    return MessageCipher(KEY, receiver).encrypt(body.decode("utf-8", "replace"))


ARGUMENTS = ("timestamp", "nonce", "signature", "msg_signature", "echostr")
GARBAGE: Any = dict.fromkeys(ARGUMENTS, st.binary(max_size=50))


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """A call as the platform makes it, or nearly."""
    target = draw(st.sampled_from(TARGETS))
    method = draw(st.sampled_from(["POST", "POST", "POST", "GET"]))
    fitting = ["plain"] if target == "wechat without a key" else ["compatible", "safe"]
    mode = draw(mostly(fitting, st.sampled_from(["plain", "compatible", "safe"])))
    body = draw(bodies)
    timestamp = draw(mostly([str(int(time.time()))], words))
    nonce = draw(words)
    cipher = draw(sealed(body, target)) if mode != "plain" else ""
    signed = {
        "timestamp": timestamp,
        "nonce": nonce,
        "signature": sign(*map(_clean, (TOKEN, timestamp, nonce))),
        "msg_signature": sign(*map(_clean, (TOKEN, timestamp, nonce, cipher))),
        "echostr": cipher or draw(words),
        "encrypt_type": "aes",
    }
    query = {name: _clean(value).encode() for name, value in signed.items()}
    query |= draw(mostly([{}], st.fixed_dictionaries({}, optional=GARBAGE)))
    part = f"<Encrypt><![CDATA[{_clean(cipher)}]]></Encrypt>".encode()
    if mode == "compatible":
        body = body.replace(b"</xml>", part + b"</xml>")
    elif mode == "safe":
        body = b"<xml>" + part + b"</xml>"
    return Call(target, method, query, body)


def _clean(text: str) -> str:
    """Without half a character, which no query can hold."""
    return text.encode("utf-8", "replace").decode()


# --- where it is sent --------------------------------------------------------------------------


class NoDialogue:
    """Stands in for what is behind the routes: each message is answered at once."""

    def __init__(self, factory: Any) -> None:
        self.factory = factory

    def start(self, *_sender: str) -> None:
        """Nothing runs in the background."""

    async def wait(self, *_message: object) -> list[dict[str, Any]]:
        """The answer."""
        return [{"kind": "text", "text": "好", "buttons": [], "card": None, "image": None}]


class House:
    """The routes of the three targets, and a database behind them."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'fuzz.db'}"
        fill("sqlite", url)
        database = connect("sqlite", url)
        EVENTS.create(database.engine)
        drain: Any = NoDialogue(database.factory)
        self.app = Sanic("fuzz", configure_logging=False)
        self.loop = asyncio.new_event_loop()
        wechat = {"wechat_appid": APPID, "wechat_secret": "s", "wechat_token": TOKEN}
        wecom = {"wecom_corpid": CORPID, "wecom_secret": "s", "wecom_token": TOKEN}
        wecom |= {"wecom_agent_id": "1", "wecom_aes_key": KEY}
        with_key, without, application = (
            make_settings(database_url=url, **values)
            for values in (wechat | {"wechat_aes_key": KEY}, wechat, wecom)
        )
        routes = (
            Account(with_key, drain),
            Account(without, drain),
            Application(application, drain),
        )
        self.routes: dict[str, Any] = dict(zip(TARGETS, routes, strict=True))

    def status(self, call: Call) -> int:
        """What is answered."""
        query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in call.query.items())
        address = f"/webhook?{query}".encode()
        request: Any = Request(address, {}, "1.1", call.method, None, self.app)  # type: ignore[arg-type]
        request.body = call.body
        route = self.routes[call.target]
        handle = route.receive if call.method == "POST" else route.check_url
        answer = self.loop.run_until_complete(guarded("fuzz", request, lambda: handle(request)))
        return int(answer.status)


house: House


@settings(
    max_examples=500, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip
@given(calls())
def check(call: Call) -> None:
    """One call."""
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    status = house.status(call)
    faulthandler.cancel_dump_traceback_later()
    seen[f"{call.target}, {call.method}: {status}"] += 1
    assert status in EXPECTED, status


def by_hypothesis(seconds: float) -> None:
    """Anew from random beginnings until the time is up; a finding ends it, made small."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            check()
    finally:
        print(f"{sum(seen.values())} calls", *sorted(seen.items()), sep="\n", flush=True)


def raw(data: bytes) -> None:
    """Bytes as a body, within a message, as cipher text, and as what the cipher text hides."""
    way, rest = data[:1], data[1:]
    fields = b"<xml><ToUserName>a</ToUserName><FromUserName>b</FromUserName><CreateTime>1"
    with contextlib.suppress(CallbackRefused):
        if way < b"\x40":
            encrypted_part(parse_xml(rest))
        elif way < b"\x80":
            body_hash(parse_message(fields + b"</CreateTime>" + rest + b"</xml>"))
        else:
            cipher = base64.b64encode(rest).decode() if way < b"\xc0" else encrypted(rest)
            parse_message(CRYPTO.open(cipher, sign(TOKEN, "1", "n", cipher), "1", "n", 1.0))


def seeds() -> Iterator[bytes]:
    """Whole messages to begin with: bytes at random hardly ever make XML."""
    inner = {
        "Content": "接单",
        "MediaId": "m",
        "Location_X": 30,
        "Location_Y": 120,
        "EventKey": "k",
    }
    for kind, event in [*zip(KINDS, NAMES, strict=False), *(("event", name) for name in NAMES)]:
        values = {
            "MsgType": kind,
            "Event": event,
            "Latitude": 30,
            "Longitude": 120,
            **inner,
            **LISTS,
        }
        inside = message_xml(values)[len("<xml>") : -len("</xml>")].encode()
        outside = message_xml({"ToUserName": "a", "FromUserName": "b", "CreateTime": 1, **values})
        sealed = base64.b64decode(MessageCipher(KEY, CORPID).encrypt(outside))
        yield from (b"\x00" + outside.encode(), b"\x40" + inside, b"\x80" + sealed)
        salt, size = bytes(16), len(outside.encode()).to_bytes(4, "big")
        plain = salt + size + outside.encode() + CORPID.encode()
        missing = 32 - len(plain) % 32
        yield b"\xc0" + plain + bytes([missing]) * missing


def by_atheris(seconds: int, more: list[str]) -> None:
    """libFuzzer leads; it ends the process itself."""
    limits = [f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}", "-print_final_stats=1"]
    corpus = Path(tempfile.mkdtemp(prefix="linli-fuzz-"))
    for number, seed in enumerate(seeds()):
        (corpus / str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], *limits, *more, str(corpus)], raw)
    atheris.Fuzz()


def main() -> None:
    """Entry."""
    global house
    parser = argparse.ArgumentParser(description="Fuzz the call-backs of both platforms.")
    parser.add_argument("--seconds", type=int, default=300)
    known, more = parser.parse_known_args()
    logging.disable(logging.WARNING)  # each refusal is logged
    share = known.seconds // 2 if atheris else known.seconds
    with tempfile.TemporaryDirectory(prefix="linli-fuzz-") as folder:
        house = House(Path(folder))
        by_hypothesis(share)
    if atheris:
        by_atheris(known.seconds - share, more)


if __name__ == "__main__":
    main()
