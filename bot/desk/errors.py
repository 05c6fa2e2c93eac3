"""Every error becomes words for a person, once, here."""

from __future__ import annotations

import logging

import aiohttp_jinja2
from aiohttp import web
from aiohttp.typedefs import Handler

from bot.desk.answers import json_response
from bot.domain.errors import (
    BadInput,
    Conflict,
    LinliError,
    NoConsent,
    NotAllowed,
    NotFound,
    Throttled,
    WrongState,
)

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[LinliError], int], ...] = (
    (NotFound, 404),
    (NotAllowed, 403),
    (NoConsent, 403),
    (Throttled, 429),
    (WrongState, 409),
    (Conflict, 409),
    (BadInput, 400),
)
HTTP_WORDS = {
    400: "这个请求看不懂，请刷新页面再试。",
    403: "您没有权限这样操作。",
    404: "没有这个页面，地址可能不对。",
    405: "这个地址不能这样访问。",
    413: "内容太大了，请减小后再试。",
}
APOLOGY = "系统出了点问题，我们已记录下来，请稍后再试。"


def status_of(error: LinliError) -> int:
    """HTTP status of an expected error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 400)


def wants_json(request: web.Request) -> bool:
    """Whether a script, not a person, reads the answer."""
    kinds = request.headers.get("Accept", ""), request.content_type
    return any("application/json" in kind for kind in kinds)


def error_response(request: web.Request, status: int, text: str) -> web.Response:
    """The same words as JSON or as a page."""
    if wants_json(request):
        return json_response({"error": text}, status=status)
    if request.headers.get("HX-Request"):
        return web.Response(text=text, status=status)
    page: web.Response = aiohttp_jinja2.render_template(
        "error.html", request, {"text": text, "status": status}, status=status
    )
    return page


@web.middleware
async def in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: expected errors by their own text, others logged with an apology."""
    try:
        return await handler(request)
    except LinliError as error:
        return error_response(request, status_of(error), error.text)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return error_response(request, error.status, HTTP_WORDS.get(error.status, APOLOGY))
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return error_response(request, 500, APOLOGY)
