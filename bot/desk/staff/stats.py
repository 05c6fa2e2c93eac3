"""Figures of my area."""

from __future__ import annotations

import asyncio

from aiohttp import web

from bot.desk.keys import FACTORY
from bot.desk.staff.access import staff_of
from bot.desk.staff.render import render, wants_fragment
from bot.services import clock
from bot.store.statistics import AREAS, statistics

routes = web.RouteTableDef()
PERIODS = {7: "近7天", 30: "近30天", 90: "近90天", 0: "全部"}


@routes.get("/stats")
async def stats(request: web.Request) -> web.StreamResponse:
    """Three rates, containment and counts; each figure leads to its tickets."""
    days = next((d for d in PERIODS if request.query.get("days") == str(d)), 30)
    figures = await asyncio.to_thread(
        statistics, request.app[FACTORY], staff_of(request).id, days, clock.now()
    )
    template = "_stats.html" if wants_fragment(request) else "stats.html"
    return await render(
        request, template, s=figures, areas=AREAS, days=days, periods=PERIODS, tab="stats"
    )
