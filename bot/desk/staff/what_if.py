"""派单试算: to whom would it go, and why not to the others? Nothing is written."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

from aiohttp import web

from bot.desk.keys import FACTORY
from bot.desk.staff.access import staff_of
from bot.desk.staff.render import render, wants_fragment
from bot.domain.errors import BadInput, LinliError, NotAllowed
from bot.domain.worktime import SHANGHAI
from bot.services import clock
from bot.services.what_if import Preview, what_if
from bot.services.wording import URGENCY_NAMES
from bot.store import catalogue

routes = web.RouteTableDef()
FORM = "%Y-%m-%dT%H:%M"  # what a datetime-local field sends
NAMES = ("item", "building", "urgency", "at")


@routes.get("/what-if")
async def page(request: web.Request) -> web.StreamResponse:
    """The question, and its answer once an item is chosen; htmx takes the answer alone."""
    staff, factory = staff_of(request), request.app[FACTORY]
    if not staff.is_dispatcher:
        raise NotAllowed("派单试算供社区和街道的调度人员使用。")
    asked = {name: request.query.get(name, "").strip()[:80] for name in NAMES}
    asked["at"] = asked["at"] or clock.now().astimezone(SHANGHAI).strftime(FORM)
    answer, error = await _answer(request, asked) if request.query else (None, "")
    context: dict[str, Any] = {"asked": asked, "answer": answer, "error": error, "tab": "me"}
    if wants_fragment(request):
        return await render(request, "_what_if.html", **context)
    return await render(
        request,
        "what_if.html",
        items=await asyncio.to_thread(catalogue.find_items, factory),
        estates=await asyncio.to_thread(catalogue.buildings_below, factory, staff.node_path),
        **context,
    )


async def _answer(request: web.Request, asked: dict[str, str]) -> tuple[Preview | None, str]:
    try:
        return await asyncio.to_thread(_preview, request, asked), ""
    except LinliError as error:
        return None, error.text


def _preview(request: web.Request, asked: dict[str, str]) -> Preview:
    if not asked["item"]:
        raise BadInput("请选择事项。")
    building, urgency = asked["building"], asked["urgency"]
    if building and not (building.isascii() and building.isdigit() and len(building) < 10):
        raise BadInput("没有这栋楼，请重新选择。")
    if urgency and urgency not in URGENCY_NAMES:
        raise BadInput("没有这个紧急程度，请重新选择。")
    return what_if(
        request.app[FACTORY],
        staff_of(request).id,
        asked["item"],
        int(building) if building else None,
        _moment(asked["at"]),
        urgency=urgency or None,
    )


def _moment(text: str) -> dt.datetime:
    try:
        local = dt.datetime.strptime(text[:16], FORM)  # noqa: DTZ007  # the zone follows
        return local.replace(tzinfo=SHANGHAI).astimezone(dt.timezone.utc)
    except (ValueError, OverflowError):
        raise BadInput("时间填得不对，请重新选择。") from None
