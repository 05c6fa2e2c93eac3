"""Who is chatting: a random id in a long-lived signed cookie, the resident's address on `webchat`.

The cookie is the only key to the history, so it is HttpOnly and cannot be made up. It names a
browser, not a person: no log-in stands between a resident and a first message. Whoever comes in
through WeChat's log-in (`wechat_login.py`) is `wechat:<openid>`: the same resident as in WeChat.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from aiohttp import web
from sqlalchemy import select

from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.security import secure_cookies
from bot.store.models import Resident

CHANNEL = "webchat"
WECHAT = "wechat"
COOKIE = "linli_visitor"
YEAR = 365 * 24 * 3600


def sign(visitor: str, secret: str) -> str:
    """`visitor.signature`, as the cookie carries it."""
    # A key of its own, so that a signature made for another purpose is worth nothing here.
    key = hashlib.sha256(f"visitor-cookie:{secret}".encode()).digest()
    return f"{visitor}.{hmac.new(key, visitor.encode(), hashlib.sha256).hexdigest()}"


def verify(cookie: str, secret: str) -> str | None:
    """The visitor in a cookie, or None when we did not make it."""
    visitor = cookie.partition(".")[0]
    genuine = hmac.compare_digest(sign(visitor, secret).encode(), cookie.encode())
    return visitor if visitor and genuine else None


def address(visitor: str) -> tuple[str, str]:
    """Channel and address of the resident behind a visitor."""
    prefix, colon, openid = visitor.partition(":")
    return (WECHAT, openid) if colon and prefix == WECHAT else (CHANNEL, visitor)


def known(request: web.Request) -> str | None:
    """The visitor of this request, if the browser has been here before."""
    return verify(request.cookies.get(COOKIE, ""), request.app[SETTINGS].secret_key)


def remember(request: web.Request, response: web.StreamResponse) -> None:
    """Give a new browser its id, and a returning one another year."""
    keep(request, response, known(request) or secrets.token_urlsafe(18))


def keep(request: web.Request, response: web.StreamResponse, visitor: str) -> None:
    """Let the browser be this visitor from now on."""
    response.set_cookie(
        COOKIE,
        sign(visitor, request.app[SETTINGS].secret_key),
        max_age=YEAR,
        path="/chat",
        httponly=True,
        samesite="Lax",
        secure=secure_cookies(request),
    )


def resident_id(app: web.Application, visitor: str) -> int | None:
    """The resident behind a visitor; None before the first message (a mere look makes no row)."""
    channel, external_id = address(visitor)
    with app[FACTORY]() as session:
        found: int | None = session.scalar(
            select(Resident.id).where(
                Resident.channel == channel, Resident.external_id == external_id
            )
        )
        return found
