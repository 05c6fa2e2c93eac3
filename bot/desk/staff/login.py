"""Log-in and log-out."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.community import load_community
from bot.community.problems import CommunityError
from bot.desk.errors import status_of
from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.staff import access
from bot.desk.staff.render import render
from bot.domain.errors import LinliError, Throttled
from bot.domain.levels import ROLE_NAMES
from bot.services import clock, members
from bot.settings import Settings

routes = web.RouteTableDef()


@routes.get("/login")
@access.public
async def form(request: web.Request) -> web.StreamResponse:
    """The log-in page; those logged in go on to where they wanted."""
    if request["staff"]:
        raise web.HTTPSeeOther(access.local_path(request.query.get("next", "/desk")))
    return await _page(request, next=request.query.get("next", "/desk"))


async def _page(request: web.Request, *, status: int = 200, **context: Any) -> web.Response:
    samples = await asyncio.to_thread(sample_logins, request.app[SETTINGS])
    context["wecom"] = request.app[SETTINGS].wecom_enabled
    return await render(request, "login.html", status=status, samples=samples, **context)


@routes.post("/login")
@access.public
async def log_in(request: web.Request) -> web.StreamResponse:
    """Check name and password, slowly on purpose and not too often."""
    sent = request["form"]
    name, address = sent.get("name"), access.client_address(request)
    try:
        staff = await asyncio.to_thread(
            members.log_in,
            request.app[FACTORY],
            name,
            sent.get("password"),
            address,
            clock.now(),
        )
    except LinliError as error:
        status = status_of(error) if isinstance(error, Throttled) else 401
        return await _page(
            request, status=status, error=error.text, name=name, next=sent.get("next")
        )
    await access.open_session(request, staff)
    raise web.HTTPSeeOther(access.local_path(sent.get("next")))


@routes.post("/logout")
async def log_out(request: web.Request) -> web.StreamResponse:
    """End this log-in; other devices stay."""
    await access.end_session(request)
    raise web.HTTPSeeOther("/desk/login")


def sample_logins(config: Settings) -> dict[str, object] | None:
    """Password and one member of each role; None outside demonstrations."""
    if not config.demo:
        return None
    return _samples(config.community_file)


@lru_cache(maxsize=2)
def _samples(file: Path) -> dict[str, object] | None:
    try:
        community = load_community(file)
    except (CommunityError, OSError):
        return None
    if not community.sample_password:
        return None
    first = {member.role: member for member in reversed(community.members)}
    people = [(first[r].key, first[r].name, title) for r, title in ROLE_NAMES.items() if r in first]
    return {"password": community.sample_password, "people": people}
