"""My account: duty, load, password, log-out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp_session
from aiohttp import web
from sqlalchemy.orm import sessionmaker

from bot.desk.keys import FACTORY
from bot.desk.staff.access import staff_of
from bot.desk.staff.render import render, tell
from bot.desk.staff.words import roster
from bot.domain import dispatch
from bot.domain.errors import BadInput, LinliError
from bot.services import callbacks, clock, members
from bot.store.models import Member
from bot.store.queue import box_counts

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Duty:
    """A member's roster in words."""

    shifts: list[str]
    on_duty: bool
    capacity: int
    phone: str


def duty_of(factory: sessionmaker, member_id: int) -> Duty:
    """When a member is on duty, and whether now."""
    with factory() as session:
        member = session.get(Member, member_id)
        return Duty(
            roster(member.duty),
            dispatch.on_duty(member.duty, member.leave, clock.now()),
            member.capacity,
            member.phone or "",
        )


async def _page(request: web.Request, *, status: int = 200, error: str = "") -> web.Response:
    staff, factory = staff_of(request), request.app[FACTORY]
    duty = await asyncio.to_thread(duty_of, factory, staff.id)
    counts = await asyncio.to_thread(box_counts, factory, staff.id)
    calls = await asyncio.to_thread(callbacks.count, factory, staff.id)
    load = counts["todo"] + counts["doing"]
    return await render(
        request,
        "me.html",
        status=status,
        error=error,
        duty=duty,
        load=load,
        calls=calls,
        tab="me",
    )


@routes.get("/me")
async def me(request: web.Request) -> web.StreamResponse:
    """My account."""
    return await _page(request)


@routes.post("/me/password")
async def change_password(request: web.Request) -> web.StreamResponse:
    """Set a new password; every other log-in ends, this one goes on."""
    sent, staff, factory = request["form"], staff_of(request), request.app[FACTORY]
    try:
        if sent.get("new") != sent.get("again"):
            raise BadInput("两次输入的新密码不一样。")
        await asyncio.to_thread(
            members.change_password, factory, staff.id, sent.get("old"), sent.get("new")
        )
    except LinliError as error:
        return await _page(request, status=422, error=error.text)
    changed = await asyncio.to_thread(members.by_id, factory, staff.id)
    session = await aiohttp_session.get_session(request)
    session["epoch"] = changed.epoch if changed else None
    await tell(request, "密码已修改，其他设备上的登录已退出。")
    raise web.HTTPSeeOther("/desk/me")
