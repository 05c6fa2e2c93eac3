"""Signatures and message encryption of WeChat and WeCom call-backs.

Built on `cryptography`; the emulator in the tests uses wechatpy, so that a shared mistake cannot
hide. Sources: docs/wechat.md, "Call-back and crypto".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32  # the platforms pad to 32 bytes, not to AES's own 16
SALT = 16
DEFAULT_WINDOW = 300


class CallbackRefused(Exception):
    """A call-back that must not be processed; `status` is the HTTP answer."""

    status = 403


class BadSignature(CallbackRefused):
    """Not signed with our token."""


class StaleTimestamp(CallbackRefused):
    """Signed at a time outside the window."""


class BadCipher(CallbackRefused):
    """The cipher text is truncated, damaged, or meant for someone else."""


class BadBody(CallbackRefused):
    """The body is not what the platform sends."""

    status = 400


def sign(*parts: str) -> str:
    """Hex SHA-1 over the sorted parts, as both platforms define it."""
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()


def check_signature(given: str, *parts: str) -> None:
    """Raise BadSignature unless `given` signs the parts; takes the same time for each wrong one."""
    if not hmac.compare_digest(sign(*parts).encode(), given.encode()):
        raise BadSignature("signature does not match")


def check_time(timestamp: str, now: float, window: int = DEFAULT_WINDOW) -> None:
    """Raise StaleTimestamp unless the timestamp is within `window` seconds of `now`."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise StaleTimestamp("timestamp is not a number of seconds")
    if abs(int(timestamp) - now) > window:
        raise StaleTimestamp("timestamp is outside the window")


class MessageCipher:
    """AES-256-CBC as both platforms use it; `receive_id` is the appid or the corpid."""

    def __init__(self, encoding_aes_key: str, receive_id: str) -> None:
        # Not validated strictly: the platforms' consoles hand out keys whose last character
        # carries stray bits.
        self._key = base64.b64decode(encoding_aes_key + "=")
        if len(self._key) != 32:
            raise ValueError("EncodingAESKey must decode to 32 bytes")
        self._receive_id = receive_id.encode()

    def _cipher(self) -> Cipher:
        return Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16]))

    def encrypt(self, text: str) -> str:
        """Base64 cipher text of a message."""
        message = text.encode()
        plain = secrets.token_bytes(SALT) + len(message).to_bytes(4, "big")
        plain += message + self._receive_id
        missing = BLOCK - len(plain) % BLOCK
        plain += bytes([missing]) * missing
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()

    def decrypt(self, encrypted: str) -> str:
        """The message in a base64 cipher text. Raises BadCipher for anything else."""
        plain = self._unpad(self._decrypt_bytes(encrypted))
        body = plain[SALT:]
        length = int.from_bytes(body[:4], "big")
        if len(body) < 4 + length:
            raise BadCipher("length field does not fit")
        if not hmac.compare_digest(body[4 + length :], self._receive_id):
            raise BadCipher("message is meant for another receiver")
        try:
            return body[4 : 4 + length].decode()
        except UnicodeDecodeError:
            raise BadCipher("message is not UTF-8") from None

    def _decrypt_bytes(self, encrypted: str) -> bytes:
        try:
            data = base64.b64decode(encrypted.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise BadCipher("cipher text is not base64") from None
        if not data or len(data) % BLOCK:
            raise BadCipher("cipher text is truncated")
        decryptor = self._cipher().decryptor()
        return decryptor.update(data) + decryptor.finalize()

    @staticmethod
    def _unpad(plain: bytes) -> bytes:
        count = plain[-1]
        if not 1 <= count <= BLOCK or plain[-count:] != bytes([count]) * count:
            raise BadCipher("padding is damaged")
        plain = plain[:-count]
        if len(plain) < SALT + 4:
            raise BadCipher("message is too short")
        return plain


class CallbackCrypto:
    """What one call-back URL needs: token, time window, and the cipher where a key is set."""

    def __init__(
        self,
        token: str,
        *,
        aes_key: str = "",
        receive_id: str = "",
        window: int = DEFAULT_WINDOW,
    ) -> None:
        self._token = token
        self._window = window
        self._cipher = MessageCipher(aes_key, receive_id) if aes_key else None

    def check_plain(self, signature: str, timestamp: str, nonce: str, now: float) -> None:
        """Check `signature` over token, timestamp and nonce (official account, plain part)."""
        check_signature(signature, self._token, timestamp, nonce)
        check_time(timestamp, now, self._window)

    def open(self, encrypted: str, signature: str, timestamp: str, nonce: str, now: float) -> str:
        """Check `msg_signature`, then decrypt. Nothing unsigned reaches the cipher."""
        check_signature(signature, self._token, timestamp, nonce, encrypted)
        check_time(timestamp, now, self._window)
        if self._cipher is None:
            raise BadCipher("encrypted message, but no EncodingAESKey is set")
        return self._cipher.decrypt(encrypted)

    def seal(self, xml: str, *, timestamp: str | None = None, nonce: str | None = None) -> str:
        """The encrypted, signed reply XML around a plain reply XML."""
        if self._cipher is None:
            raise ValueError("no EncodingAESKey is set")
        timestamp = timestamp or str(int(time.time()))
        nonce = nonce or secrets.token_hex(8)
        encrypted = self._cipher.encrypt(xml)
        signature = sign(self._token, timestamp, nonce, encrypted)
        return (
            f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt>"
            f"<MsgSignature><![CDATA[{signature}]]></MsgSignature>"
            f"<TimeStamp>{timestamp}</TimeStamp>"
            f"<Nonce><![CDATA[{nonce}]]></Nonce></xml>"
        )
