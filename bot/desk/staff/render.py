"""Pages and fragments: what every template knows, and answers in place for htmx."""

from __future__ import annotations

import logging
import secrets
from typing import Any

import aiohttp_jinja2
import aiohttp_session
import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler

from bot.desk.errors import status_of
from bot.desk.staff import access, words
from bot.domain.catalogue import CATEGORY_NAMES, category_name
from bot.domain.errors import LinliError
from bot.domain.levels import LEVEL_NAMES
from bot.domain.status import STATUS_NAMES, STEP_NAMES, Step
from bot.services import clock
from bot.services.wording import URGENCY_NAMES

log = logging.getLogger(__name__)


def wants_fragment(request: web.Request) -> bool:
    """Whether htmx asks, and puts the answer into the page itself."""
    return request.headers.get("HX-Request") == "true"


def new_token() -> str:
    """For one form: sent twice, it acts once."""
    return secrets.token_urlsafe(16)


async def render(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> web.Response:
    """A template of the desk, with who is logged in, the form token and the time."""
    context |= {
        "me": request.get("staff"),
        "csrf": await access.form_token(request),
        "now": clock.now(),
        "flash": await _flash(request),
    }
    response: web.Response = aiohttp_jinja2.render_template(
        f"staff/{template}", request, context, status=status
    )
    response.headers.update(headers or {})
    return response


async def _flash(request: web.Request) -> str:
    if wants_fragment(request):
        return ""
    session = await aiohttp_session.get_session(request)
    return str(session.pop("flash")) if "flash" in session else ""


async def tell(request: web.Request, text: str) -> None:
    """A short message on the next whole page."""
    session = await aiohttp_session.get_session(request)
    session["flash"] = text


@web.middleware
async def in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Expected errors as a page of the desk, or as words that htmx shows."""
    try:
        return await handler(request)
    except LinliError as error:
        if wants_fragment(request) or request.get("staff") is None:
            raise  # the application's own middleware finds the words
        status = status_of(error)
        return await render(request, "error.html", status=status, text=error.text)


def setup(environment: jinja2.Environment) -> None:
    """Filters and names for the staff's templates."""
    environment.filters.update(
        moment=words.moment, left=words.left, ago=words.ago, span=words.span, category=category_name
    )
    environment.globals.update(
        form_once=new_token,
        STATUS_NAMES={s.value: name for s, name in STATUS_NAMES.items()},
        STEP_NAMES={s.value: name for s, name in STEP_NAMES.items()},
        LEVEL_NAMES={level.value: name for level, name in LEVEL_NAMES.items()},
        CATEGORY_NAMES=CATEGORY_NAMES,
        URGENCY_NAMES=URGENCY_NAMES,
        Step=Step,
    )
