"""Headers that every answer carries, and the check that a write comes from our own pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from bot.desk.keys import SETTINGS
from bot.domain.errors import NotAllowed

CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",  # data: is how WeUI carries its icons
        "style-src 'self'",
        "script-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=()",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer; pages are private unless a view says otherwise."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "linli"  # versions are nobody's business
    response.headers.setdefault("Cache-Control", _caching(request))


def _caching(request: web.Request) -> str:
    """Files named with their checksum never change; others are asked after; pages are private."""
    if not request.path.startswith("/static/"):
        return "no-store"
    return "public, max-age=31536000, immutable" if "v" in request.query else "no-cache"


def check_same_origin(request: web.Request) -> None:
    """Refuse a write that another site's page sent with our visitor's cookie.

    Every browser in use names the origin of a POST. What has none is no browser page.
    """
    origin = request.headers.get("Origin", "")
    ours = {request.host, urlsplit(request.app[SETTINGS].public_url).netloc}
    if urlsplit(origin).netloc not in ours:
        raise NotAllowed("请从邻里的页面里操作。")


def secure_cookies(request: web.Request) -> bool:
    """Whether cookies may only travel over HTTPS."""
    return request.app[SETTINGS].public_url.startswith("https://")
