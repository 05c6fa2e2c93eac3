"""The queue of an area: search, filters, paging, and the same list as a file."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from bot.desk.keys import FACTORY
from bot.desk.staff import sheets
from bot.desk.staff.access import staff_of
from bot.desk.staff.render import render, wants_fragment
from bot.services import clock, live, ticket_page
from bot.services.wording import local
from bot.store import queue as store
from bot.store.queue import SHOWS, Search

routes = web.RouteTableDef()
NAMES = ("text", "status", "category", "level", "show", "days")


def search_of(query: Any) -> Search:
    """The filters in an address; what makes no sense does not narrow."""
    return Search(
        text=query.get("text", "")[: store.MAX_TEXT],
        status=query.get("status", ""),
        category=query.get("category", ""),
        level=query.get("level", ""),
        show=query.get("show", ""),
        days=_number(query.get("days", "")),
        page=_number(query.get("page", "")) or 1,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def address(search: Search, **changes: Any) -> str:
    """The query part of the address of a search, with changes."""
    fields = {name: getattr(search, name) for name in NAMES} | changes
    return urlencode({name: value for name, value in fields.items() if value})


@routes.get("/queue")
async def queue(request: web.Request) -> web.StreamResponse:
    """Tickets in my scope."""
    search = search_of(request.query)
    seen = await asyncio.to_thread(live.newest, request.app[FACTORY])  # before the rest is read
    found = await asyncio.to_thread(
        store.queue, request.app[FACTORY], staff_of(request).id, search, clock.now()
    )
    template = "_queue.html" if wants_fragment(request) else "queue.html"
    return await render(
        request,
        template,
        search=search,
        found=found,
        page=min(search.page, found.pages),
        shows=SHOWS,
        address=address,
        seen=seen,
        tab="queue",
    )


@routes.get("/queue/export.{kind:csv|xlsx}")
async def export(request: web.Request) -> web.StreamResponse:
    """The filtered list as a file; that it was taken is written down."""
    body = await asyncio.to_thread(_file, request, request.match_info["kind"])
    kind = request.match_info["kind"]
    name = f"工单_{local(clock.now(), '%Y%m%d_%H%M')}.{kind}"
    disposition = f"attachment; filename=tickets.{kind}; filename*=UTF-8''{quote(name)}"
    return web.Response(
        body=body,
        headers={"Content-Type": sheets.MIMES[kind], "Content-Disposition": disposition},
    )


def _file(request: web.Request, kind: str) -> bytes:
    factory, me = request.app[FACTORY], staff_of(request).id
    rows = store.export(factory, me, search_of(request.query), clock.now())
    with factory.begin() as session:
        ticket_page.log_access(session, me, "export", clock.now())
    return sheets.csv_file(rows) if kind == "csv" else sheets.excel_file(rows)
