"""The one HTTP client under both platforms: timeout, bounded retries, errcode, token renewal."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from bot.platforms.errors import BUSY, TOKEN_EXPIRED, UNREACHABLE, PlatformError

log = logging.getLogger(__name__)

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
RETRIES = 3
BACKOFF_SECONDS = 0.3
MAX_JSON = 1024 * 1024
MAX_MEDIA = 20 * 1024 * 1024


class TokenSource(Protocol):
    """Where a client gets its access token."""

    async def get(self, refused: str = "") -> str:
        """A token to use now, never the one just refused."""


@dataclass(frozen=True)
class Media:
    """A downloaded file."""

    data: bytes
    mime: str


class ApiClient:
    """Calls one platform. Every failure is a PlatformError; nothing secret is logged."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        retries: int = RETRIES,
        backoff: float = BACKOFF_SECONDS,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
    ) -> None:
        self._session = session
        self._base = base_url.rstrip("/")
        self._retries = retries
        self._backoff = backoff
        self._timeout = timeout

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        token: TokenSource | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """POST JSON; the answer, whose errcode is 0."""
        _, answer = await self._with_token("POST", path, token, dict(params or {}), body)
        return _as_json(path, answer)

    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        token: TokenSource | None = None,
    ) -> dict[str, Any]:
        """GET; the answer, whose errcode is 0."""
        _, answer = await self._with_token("GET", path, token, dict(params), None)
        return _as_json(path, answer)

    async def download(self, path: str, params: Mapping[str, str], *, token: TokenSource) -> Media:
        """GET a file. The platforms send errors as HTTP 200 with JSON: that raises too."""
        mime, data = await self._with_token("GET", path, token, dict(params), None, MAX_MEDIA)
        if mime in {"application/json", "text/plain", "text/html"}:
            _as_json(path, data)
            raise PlatformError(40007, path, "JSON where a file was expected")
        return Media(data, mime)

    async def _with_token(
        self,
        method: str,
        path: str,
        token: TokenSource | None,
        params: dict[str, str],
        body: Mapping[str, Any] | None,
        limit: int = MAX_JSON,
    ) -> tuple[str, bytes]:
        """Try once more, with a new token, when the platform refuses the one used."""
        if token is None:
            return await self._retrying(method, path, params, body, limit)
        value = await token.get()
        try:
            given = {**params, "access_token": value}
            return await self._retrying(method, path, given, body, limit)
        except PlatformError as error:
            if error.errcode not in TOKEN_EXPIRED:
                raise
        renewed = await token.get(refused=value)
        given = {**params, "access_token": renewed}
        return await self._retrying(method, path, given, body, limit)

    async def _retrying(
        self,
        method: str,
        path: str,
        params: dict[str, str],
        body: Mapping[str, Any] | None,
        limit: int,
    ) -> tuple[str, bytes]:
        """Retry on −1 and network errors only, with growing, jittered pauses."""
        for attempt in range(self._retries + 1):
            try:
                return await self._once(method, path, params, body, limit)
            except PlatformError as error:
                if error.errcode not in {BUSY, UNREACHABLE} or attempt == self._retries:
                    raise
                log.warning("%s: errcode %s, retry %s", path, error.errcode, attempt + 1)
            # Jitter is no secret: `random` will do.
            await asyncio.sleep(self._backoff * 2**attempt * (0.5 + random.random()))
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        path: str,
        params: dict[str, str],
        body: Mapping[str, Any] | None,
        limit: int,
    ) -> tuple[str, bytes]:
        # Chinese goes out as UTF-8: WeChat shows \u escapes to the user as they are.
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if data is None else {"Content-Type": "application/json; charset=utf-8"}
        try:
            async with self._session.request(
                method,
                self._base + path,
                params=params,
                data=data,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                answer = await _read(response, path, limit)
                mime = response.content_type
                status = response.status
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            # The exception may hold the URL with its token, so it goes no further.
            raise PlatformError(UNREACHABLE, path) from None
        _check_answer(path, status, mime, answer)
        return mime, answer


async def _read(response: aiohttp.ClientResponse, path: str, limit: int) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(65536):
        size += len(part)
        if size > limit:
            raise PlatformError(45001, path, "answer is too large")
        parts.append(part)
    return b"".join(parts)


def _check_answer(path: str, status: int, mime: str, answer: bytes) -> None:
    if status >= 300:
        raise PlatformError(UNREACHABLE if status >= 500 else status, path, f"HTTP {status}")
    if mime in {"application/json", "text/plain"}:
        content = _as_json(path, answer)
        errcode = content.get("errcode", 0)
        if errcode:
            raise PlatformError(int(errcode), path, str(content.get("errmsg", "")))


def _as_json(path: str, answer: bytes) -> dict[str, Any]:
    try:
        content = json.loads(answer)
    except ValueError:
        raise PlatformError(UNREACHABLE, path, "answer is not JSON") from None
    if not isinstance(content, dict):
        raise PlatformError(UNREACHABLE, path, "answer is not an object")
    return content
