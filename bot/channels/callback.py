"""What the call-back routes of both platforms share: body limit, refusals, plain answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from sanic.request import Request
from sanic.response import HTTPResponse, text

from bot.platforms.crypto import CallbackRefused
from bot.platforms.xml import MAX_BODY, BodyTooLarge

log = logging.getLogger(__name__)


async def guarded(
    channel: str, request: Request, handle: Callable[[], Awaitable[HTTPResponse]]
) -> HTTPResponse:
    """Run a route; a refused call-back ends here, with its status and nothing more."""
    try:
        if len(request.body) > MAX_BODY:
            raise BodyTooLarge("body is too large")
        return await handle()
    except CallbackRefused as refused:
        # Neither the query (it holds signatures) nor the body (it holds people's words).
        log.warning("%s call-back refused with %s: %s", channel, refused.status, refused)
        return text("", status=refused.status)


def argument(request: Request, name: str) -> str:
    """A query argument, or "" """
    return str(request.args.get(name) or "")


def plain(answer: str) -> HTTPResponse:
    """An answer as the platforms want it: no quotes, no newline, no BOM."""
    return text(answer, content_type="text/plain; charset=utf-8")


def xml(answer: str) -> HTTPResponse:
    """A passive reply."""
    return text(answer, content_type="application/xml; charset=utf-8")
