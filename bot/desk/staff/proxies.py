"""帮办代办: a form on a phone for whoever looks after the building, and what became of it."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from bot.desk.keys import FACTORY
from bot.desk.staff import photos
from bot.desk.staff.access import staff_of
from bot.desk.staff.forms import Form
from bot.desk.staff.render import new_token, render, tell
from bot.domain.errors import BadInput, LinliError
from bot.services import clock, proxy
from bot.services.intake import Opened
from bot.services.proxy import ForSomeone
from bot.store import catalogue

routes = web.RouteTableDef()
MAX_TOKEN = 64
FIELDS = ("name", "building", "unit", "room", "phone", "item", "words", "consent")


@routes.get("/proxy")
async def form(request: web.Request) -> web.StreamResponse:
    """An empty form, and my filings below it."""
    return await _page(request, {}, new_token())


async def _page(
    request: web.Request,
    values: dict[str, Any],
    token: str,
    *,
    status: int = 200,
    error: str = "",
) -> web.Response:
    factory, me = request.app[FACTORY], staff_of(request).id
    found = await asyncio.to_thread(catalogue.find_items, factory)
    found.sort(key=lambda item: item[0] != values.get("item"))  # what was chosen is in sight
    return await render(
        request,
        "proxy.html",
        status=status,
        error=error,
        values=values,
        token=token,
        estates=await asyncio.to_thread(proxy.buildings, factory, me),
        items=found,
        filed=await asyncio.to_thread(proxy.filed_by, factory, me),
        tab="me",
    )


@routes.post("/proxy")
async def file(request: web.Request) -> web.StreamResponse:
    """File it once, however often the form is sent."""
    sent: Form = request["form"]
    token = sent.get("once")[:MAX_TOKEN] or new_token()
    values: dict[str, Any] = {name: sent.get(name).strip() for name in FIELDS}
    values["photos"] = tuple(sent.all("photo"))
    try:
        person = _person(values)
        values["photos"] += tuple(
            [await asyncio.to_thread(photos.store, request, data) for data in sent.photos]
        )
        opened = await asyncio.to_thread(_file, request, person, values, token)
    except LinliError as error:
        return await _page(request, values, token, status=422, error=error.text)
    await tell(request, f"已提交，工单号 {opened.number}，由{opened.who}负责。")
    raise web.HTTPSeeOther("/desk/proxy")


def _person(values: dict[str, Any]) -> ForSomeone:
    building = values["building"]
    if not building.isascii() or not building.isdigit():
        raise BadInput("请选择居民住的楼。")
    if not values["item"]:
        raise BadInput("请选择是哪一类事。")
    return ForSomeone(
        name=values["name"],
        building_id=int(building),
        consent_note=values["consent"],
        phone=values["phone"] or None,
        unit=values["unit"].upper() or None,
        room=values["room"].upper() or None,
    )


def _file(request: web.Request, person: ForSomeone, values: dict[str, Any], token: str) -> Opened:
    me = staff_of(request).id
    return proxy.file(
        request.app[FACTORY],
        me,
        person,
        values["item"],
        values["words"],
        clock.now(),
        idempotency_key=f"desk:{me}:{token}",
        attachments=values["photos"],
    )
