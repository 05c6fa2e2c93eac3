"""What forms let one choose from, searched while one types."""

from __future__ import annotations

import asyncio

from aiohttp import web

from bot.desk.keys import FACTORY
from bot.desk.staff.render import render
from bot.store import catalogue

routes = web.RouteTableDef()


@routes.get("/items")
async def items(request: web.Request) -> web.StreamResponse:
    """Service items, searched by name or by a word for them."""
    words, chosen = request.query.get("q", "")[:20], request.query.get("item", "")
    found = await asyncio.to_thread(catalogue.find_items, request.app[FACTORY], words)
    return await render(request, "_items.html", items=found, chosen=chosen)
