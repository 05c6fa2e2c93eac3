"""Who is at the desk: the session cookie, the guard before every view, the token in every form."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp_session
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_session import Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.desk.keys import FACTORY
from bot.desk.staff.forms import Form, read_form
from bot.domain.errors import NotAllowed
from bot.services import clock, members, once
from bot.services.members import Staff
from bot.settings import Settings

COOKIE = "linli_desk"
IDLE_SECONDS = 12 * 3600
LONGEST_SECONDS = 7 * 24 * 3600  # then the password is asked for again
RENEW_SECONDS = 30 * 60
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
STALE_FORM = "页面已过期，请刷新后再提交。"


def storage(config: Settings) -> EncryptedCookieStorage:
    """Sessions in an encrypted cookie that scripts cannot read and other sites cannot send."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"linli staff session")
    return EncryptedCookieStorage(
        key.derive(config.secret_key.encode()),
        cookie_name=COOKIE,
        path="/desk",
        max_age=IDLE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=config.public_url.startswith("https://"),
    )


def public(view: Any) -> Any:
    """Mark a view that needs no log-in."""
    view.is_public = True
    return view


def staff_of(request: web.Request) -> Staff:
    """The member at the desk, on a view that is not public."""
    staff: Staff = request["staff"]
    return staff


async def open_session(request: web.Request, staff: Staff) -> None:
    """A new session for this log-in: nothing of the one before is kept."""
    session = await aiohttp_session.new_session(request)
    at = clock.now().timestamp()
    session["sid"], session["csrf"] = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    session["member"], session["epoch"] = staff.id, staff.epoch
    session["since"] = session["seen"] = at


async def end_session(request: web.Request) -> None:
    """Log out: a copy of the cookie is worth nothing afterwards."""
    session = await aiohttp_session.get_session(request)
    if "sid" in session:
        factory = request.app[FACTORY]
        await asyncio.to_thread(once.spend, factory, session["sid"], clock.now())
    session.invalidate()


async def form_token(request: web.Request) -> str:
    """The secret that forms of this session carry; made on first use."""
    session = await aiohttp_session.get_session(request)
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    return str(session["csrf"])


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log-in first, unless the view is public; and every write must carry the form token."""
    session = await aiohttp_session.get_session(request)
    request["staff"] = await _known(request, session)
    if request["staff"] is None and not getattr(request.match_info.handler, "is_public", False):
        return _to_login(request)
    if request.method not in SAFE:
        request["form"] = await read_form(request, lambda form: _check(request, session, form))
    return await handler(request)


async def _known(request: web.Request, session: Session) -> Staff | None:
    if "member" not in session:
        return None
    at = clock.now().timestamp()
    if at - session["since"] > LONGEST_SECONDS:
        return None
    staff = await asyncio.to_thread(_look_up, request.app, dict(session))
    streams = request.headers.get("Accept") == "text/event-stream"
    if staff and at - session["seen"] > RENEW_SECONDS and not streams:
        session["seen"] = at  # a changed session is sent anew, with a new term
    return staff


async def still_in(request: web.Request) -> bool:
    """Whether the log-in of a long-lived request is good to this moment."""
    session = await aiohttp_session.get_session(request)
    return await asyncio.to_thread(_look_up, request.app, dict(session)) is not None


def _look_up(app: web.Application, session: dict[str, Any]) -> Staff | None:
    factory = app[FACTORY]
    if once.is_spent(factory, session["sid"]):
        return None
    return members.by_id(factory, session["member"], session["epoch"])


def _check(request: web.Request, session: Session, form: Form) -> None:
    expected = session.get("csrf", "")
    given = request.headers.get("X-CSRF-Token") or form.get("csrf")
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise NotAllowed(STALE_FORM)


def _to_login(request: web.Request) -> web.Response:
    here = request.rel_url.path_qs if request.method in SAFE else "/desk"
    if request.headers.get("HX-Request"):
        here = local_path(urlsplit(request.headers.get("HX-Current-URL", "")).path)
        where = {"HX-Redirect": f"/desk/login?next={quote(here)}"}
        return web.Response(status=401, text="请先登录。", headers=where)
    if request.method not in SAFE or request.headers.get("Accept") == "text/event-stream":
        return web.Response(status=401, text="请先登录。")
    raise web.HTTPSeeOther(f"/desk/login?next={quote(here)}")


def local_path(text: str) -> str:
    """A page of the desk to go on to, or its front page: never another site."""
    parts = urlsplit(text)
    inside = parts.path == "/desk" or parts.path.startswith("/desk/")
    clean = text.isprintable() and "\\" not in text and "//" not in text
    return text if inside and clean and not parts.netloc and not parts.scheme else "/desk"


def client_address(request: web.Request) -> str:
    """Where the request came from; a proxy on this machine is believed about it."""
    peer = request.remote or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        if forwarded and ipaddress.ip_address(peer).is_loopback:
            return str(ipaddress.ip_address(forwarded))
    except ValueError:
        pass
    return peer
