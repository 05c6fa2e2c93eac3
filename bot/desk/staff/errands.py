"""双报到 at the desk: wishes from posting to credited hours, and who has signed up."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.community import load_community
from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.staff.access import staff_of
from bot.desk.staff.forms import Form
from bot.desk.staff.render import new_token, render, tell
from bot.domain import volunteering
from bot.domain.errors import BadInput, LinliError, NotAllowed
from bot.domain.worktime import SHANGHAI
from bot.services import clock, double_reporting, errands
from bot.services.double_reporting import SignUp
from bot.services.once import DoneBefore, once

routes = web.RouteTableDef()
MAX_TOKEN = 64
STATES = {"open": "待认领", "taken": "已认领", "done": "已完成", "cancelled": "已取消"}


@lru_cache(maxsize=1)
def _skills(file: Path) -> dict[str, str]:
    return load_community(file).volunteer_skills()


async def _page(
    request: web.Request,
    *,
    status: int = 200,
    error: str = "",
    about: str = "",
    values: dict[str, Any] | None = None,
) -> web.Response:
    """The board; `about` names the form that the error is about."""
    staff = staff_of(request)
    if not staff.is_lead:
        raise NotAllowed("微心愿由网格、社区和街道的负责同志发布和确认。")
    board = await asyncio.to_thread(errands.board, request.app[FACTORY], staff.id, clock.now())
    return await render(
        request,
        "errands.html",
        status=status,
        error=error,
        about=about,
        values=values or {},
        board=board,
        states=STATES,
        kinds=volunteering.KINDS,
        hours=volunteering.HOURS,
        skills=await asyncio.to_thread(_skills, request.app[SETTINGS].community_file),
        soonest=clock.now().astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M"),
        span=volunteering.span,
        tab="me",
    )


@routes.get("/errands")
async def board(request: web.Request) -> web.StreamResponse:
    """Wishes and volunteers."""
    return await _page(request)


async def _act(
    request: web.Request, about: str, done: str, act: Callable[[Any, int, Form], Any]
) -> web.StreamResponse:
    """Carry out a form once, and show the board again; what is wrong is said at the form."""
    sent: Form = request["form"]
    values = {name: sent.get(name) for name in sent.fields}
    token = sent.get("once")[:MAX_TOKEN] or new_token()
    try:
        factory = once(request.app[FACTORY], token, clock.now())
        await asyncio.to_thread(act, factory, staff_of(request).id, sent)
    except DoneBefore:
        pass
    except LinliError as error:
        return await _page(request, status=422, error=error.text, about=about, values=values)
    await tell(request, done)
    raise web.HTTPSeeOther("/desk/errands")


@routes.post("/errands")
async def post(request: web.Request) -> web.StreamResponse:
    """Post a wish."""

    def act(factory: Any, me: int, sent: Form) -> None:
        known, skill = _skills(request.app[SETTINGS].community_file), sent.get("skill")
        if skill not in known:
            raise BadInput("请选择需要的技能。")
        at = _moment(sent.get("wanted_at"))
        double_reporting.post(factory, me, sent.get("title"), skill, at, clock.now())

    return await _act(request, "post", "已发布，合适的志愿者下班后会收到", act)


def _moment(text: str) -> dt.datetime:
    try:
        local = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BadInput("请选择希望的时间。") from None
    return local.replace(tzinfo=SHANGHAI).astimezone(dt.timezone.utc)


@routes.post("/errands/{id:[0-9]{1,9}}/take")
async def take(request: web.Request) -> web.StreamResponse:
    """Somebody said yes on the telephone."""

    def act(factory: Any, me: int, sent: Form) -> None:
        helper = sent.number("volunteer")
        if helper is None:
            raise BadInput("请选择由谁认领。")
        double_reporting.take_for(factory, _id(request), helper, me, clock.now())

    return await _act(request, f"take{_id(request)}", "已记下，由这位志愿者认领", act)


@routes.post("/errands/{id:[0-9]{1,9}}/confirm")
async def confirm(request: web.Request) -> web.StreamResponse:
    """It is done, and how long it took."""

    def act(factory: Any, me: int, sent: Form) -> None:
        minutes = sent.number("minutes") or 0
        double_reporting.confirm(factory, _id(request), me, minutes, clock.now())

    return await _act(request, f"confirm{_id(request)}", "已确认，时长记入志愿者名下", act)


@routes.post("/errands/{id:[0-9]{1,9}}/release")
async def release(request: web.Request) -> web.StreamResponse:
    """Who said yes cannot come."""

    def act(factory: Any, me: int, _sent: Form) -> None:
        double_reporting.release(factory, _id(request), me, clock.now())

    return await _act(request, f"change{_id(request)}", "已重新开放，会再问其他志愿者", act)


@routes.post("/errands/{id:[0-9]{1,9}}/cancel")
async def cancel(request: web.Request) -> web.StreamResponse:
    """The wish is no longer one."""

    def act(factory: Any, me: int, _sent: Form) -> None:
        double_reporting.cancel(factory, _id(request), me, clock.now())

    return await _act(request, f"change{_id(request)}", "已取消这个心愿", act)


def _id(request: web.Request) -> int:
    return int(request.match_info["id"])


@routes.post("/volunteers")
async def sign_up(request: web.Request) -> web.StreamResponse:
    """Register a unit or a person who came to the office."""

    def act(factory: Any, me: int, sent: Form) -> None:
        shown = errands.board(factory, me, clock.now())
        if sent.get("community") not in dict(shown.communities):
            raise BadInput("请选择报到的社区。")
        known = _skills(request.app[SETTINGS].community_file)
        hours = volunteering.HOURS.get(sent.get("hours"))
        if hours is None:
            raise BadInput("请选择什么时候有空。")
        offer = SignUp(
            kind=sent.get("kind"),
            name=sent.get("name")[:60],
            phone=sent.get("phone").strip(),
            community=sent.get("community"),
            skills=[key for key in sent.all("skill") if key in known],
            hours=hours[1],
            unit=sent.get("unit").strip()[:60],
        )
        double_reporting.sign_up(factory, offer, clock.now())

    if not staff_of(request).is_lead:
        raise NotAllowed()
    return await _act(request, "volunteer", "已登记", act)
