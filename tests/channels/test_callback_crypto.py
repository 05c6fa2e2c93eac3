"""The golden vector, the peer's own crypto in both directions, and everything damaged."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import WeChatCrypto
from wechatpy.enterprise.crypto import WeChatCrypto as WeComCrypto

from bot.platforms.crypto import (
    BadBody,
    BadCipher,
    BadSignature,
    CallbackCrypto,
    CallbackRefused,
    MessageCipher,
    StaleTimestamp,
    sign,
)
from bot.platforms.xml import encrypted_part, parse_xml

TOKEN = "QDG6eK"
KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CORPID = "wx5823bf96d3bd56c7"
TIMESTAMP, NONCE = "1409659589", "263014780"
ECHO = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
SIGNATURE = "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"
AT = float(TIMESTAMP)


@pytest.fixture
def crypto() -> CallbackCrypto:
    return CallbackCrypto(TOKEN, aes_key=KEY, receive_id=CORPID)


def test_golden_vector(crypto):
    assert sign(TOKEN, TIMESTAMP, NONCE, ECHO) == SIGNATURE
    assert crypto.open(ECHO, SIGNATURE, TIMESTAMP, NONCE, AT) == "1616140317555161061"


def test_the_window_is_a_setting():
    old = CallbackCrypto(TOKEN, aes_key=KEY, receive_id=CORPID, window=10**10)
    assert old.open(ECHO, SIGNATURE, TIMESTAMP, NONCE, time.time()) == "1616140317555161061"


@pytest.mark.parametrize("text", ["你好", "<xml><A>漏水</A></xml>", "", "字" * 5000, "🙂" * 9])
@pytest.mark.parametrize("peer_class", [WeChatCrypto, WeComCrypto])
def test_peer_reads_what_we_seal(crypto, peer_class, text):
    sealed = crypto.seal(text, timestamp=TIMESTAMP, nonce=NONCE)
    signature = parse_xml(sealed).findtext("MsgSignature")
    peer = peer_class(TOKEN, KEY, CORPID)
    assert peer.decrypt_message(sealed, signature, TIMESTAMP, NONCE) == text


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=300))
def test_we_read_what_the_peer_seals(text):
    crypto = CallbackCrypto(TOKEN, aes_key=KEY, receive_id=CORPID)
    sealed = WeChatCrypto(TOKEN, KEY, CORPID).encrypt_message(text, NONCE, TIMESTAMP)
    root = parse_xml(sealed)
    signature = root.findtext("MsgSignature")
    assert crypto.open(encrypted_part(root), signature, TIMESTAMP, NONCE, AT) == text


def resigned(encrypted: str) -> tuple[str, str]:
    """Correctly signed, so that the damage itself has to be found."""
    return encrypted, sign(TOKEN, TIMESTAMP, NONCE, encrypted)


def damaged() -> dict[str, str]:
    raw = base64.b64decode(ECHO)
    encode = lambda data: base64.b64encode(data).decode()  # noqa: E731
    return {
        "one quantum short": ECHO[:-4],
        "forty characters": ECHO[:40],
        "one block short": encode(raw[:-16]),
        "two blocks": encode(raw[:32]),
        "last bit turned": encode(raw[:-1] + bytes([raw[-1] ^ 1])),
        "a byte turned": encode(raw[:20] + bytes([raw[20] ^ 255]) + raw[21:]),
        "empty": "",
        "not base64": "不是base64",
        "padding only": "====",
        "another account": MessageCipher(KEY, "wx0000000000000000").encrypt("x"),
    }


@pytest.mark.parametrize("encrypted", damaged().values(), ids=damaged().keys())
def test_damaged_cipher_text_is_refused(crypto, encrypted):
    with pytest.raises(BadCipher) as refused:
        crypto.open(*resigned(encrypted), TIMESTAMP, NONCE, AT)
    assert refused.value.status == 403


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_cipher(data):
    crypto = CallbackCrypto(TOKEN, aes_key=KEY, receive_id=CORPID)
    with pytest.raises(CallbackRefused):
        crypto.open(*resigned(base64.b64encode(data).decode()), TIMESTAMP, NONCE, AT)


@given(st.text(max_size=200))
def test_no_text_crashes_the_cipher(text):
    crypto = CallbackCrypto(TOKEN, aes_key=KEY, receive_id=CORPID)
    with pytest.raises(CallbackRefused):
        crypto.open(text, "f" * 40, TIMESTAMP, NONCE, AT)


@pytest.mark.parametrize("signature", ["", "0" * 40, SIGNATURE[:-1], SIGNATURE.upper(), "签名"])
def test_wrong_signature_is_refused_before_decrypting(crypto, signature):
    with pytest.raises(BadSignature):
        crypto.open(ECHO, signature, TIMESTAMP, NONCE, AT)


@pytest.mark.parametrize("shift", [-301, 301])
def test_old_and_future_calls_are_refused(crypto, shift):
    with pytest.raises(StaleTimestamp):
        crypto.open(ECHO, SIGNATURE, TIMESTAMP, NONCE, AT + shift)


@pytest.mark.parametrize("timestamp", ["", "abc", "-1", "1e9", "٣", "9" * 40])
def test_odd_timestamps_are_refused(crypto, timestamp):
    with pytest.raises(StaleTimestamp):
        crypto.check_plain(sign(TOKEN, timestamp, NONCE), timestamp, NONCE, AT)


def test_plain_signature(crypto):
    crypto.check_plain(sign(TOKEN, TIMESTAMP, NONCE), TIMESTAMP, NONCE, AT)
    with pytest.raises(BadSignature):
        crypto.check_plain(sign("other", TIMESTAMP, NONCE), TIMESTAMP, NONCE, AT)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<xml><Content>&b;</Content></xml>"
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    "<xml><Content>&f;</Content></xml>"
)


@pytest.mark.parametrize(
    "body",
    [BOMB, EXTERNAL, "", "<xml>", "<html/>", "{}", "<xml>" + "<a>" * 40 + "</a>" * 40 + "</xml>"],
)
def test_xml_that_is_no_message_is_refused(body):
    with pytest.raises(BadBody) as refused:
        parse_xml(body)
    assert refused.value.status == 400


def test_large_body_is_refused():
    with pytest.raises(BadBody) as refused:
        parse_xml(b"<xml>" + b" " * 300_000 + b"</xml>")
    assert refused.value.status == 413
