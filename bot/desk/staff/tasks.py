"""The front page: my tasks in three boxes, and what I was told."""

from __future__ import annotations

import asyncio

from aiohttp import web

from bot.desk.keys import FACTORY
from bot.desk.staff.access import staff_of
from bot.desk.staff.render import render, wants_fragment
from bot.services import callbacks, clock, live
from bot.store import appeals, co_tasks, queries
from bot.store.queue import box_counts

routes = web.RouteTableDef()


@routes.get("")
async def tasks(request: web.Request) -> web.StreamResponse:
    """My tasks; htmx takes the list alone."""
    staff, now = staff_of(request), clock.now()
    factory = request.app[FACTORY]
    box = request.query.get("box", "todo")
    box = box if box in queries.BOXES else "todo"
    seen = await asyncio.to_thread(live.newest, factory)  # before the rest is read
    rows = await asyncio.to_thread(queries.my_tickets, factory, staff.id, box, now)
    co_rows = await asyncio.to_thread(co_tasks.mine, factory, staff.id, box, now)
    counts = await asyncio.to_thread(box_counts, factory, staff.id)
    waiting = await asyncio.to_thread(_waiting, request) if staff.is_lead else ()
    template = "_tasks.html" if wants_fragment(request) else "tasks.html"
    return await render(
        request,
        template,
        box=box,
        boxes=queries.BOXES,
        rows=rows,
        co_rows=co_rows,
        counts=counts,
        waiting=waiting,
        seen=seen,
        tab="tasks",
    )


def _waiting(request: web.Request) -> tuple[tuple[str, str, int], ...]:
    """(words, address, how many) of what waits for a lead beside the own tasks."""
    factory, me = request.app[FACTORY], staff_of(request).id
    found = (
        ("申诉待复核", "/desk/queue?show=appeal", appeals.count(factory, me)),
        ("要回访的工单", "/desk/calls", callbacks.count(factory, me)),
    )
    return tuple(line for line in found if line[2])


@routes.get("/")
async def slash(_request: web.Request) -> web.StreamResponse:
    """The same page by a common misspelling."""
    raise web.HTTPFound("/desk")


@routes.get("/alerts")
async def alerts(request: web.Request) -> web.StreamResponse:
    """What the platform told me lately."""
    found = await asyncio.to_thread(live.alerts, request.app[FACTORY], staff_of(request).id)
    return await render(request, "alerts.html", alerts=found, tab="me")
