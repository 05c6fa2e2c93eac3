"""One ticket: its page, the resident's phone number, its photos."""

from __future__ import annotations

import asyncio

from aiohttp import web

from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.staff.access import staff_of
from bot.desk.staff.render import render, wants_fragment
from bot.desk.staff.step_forms import ORDER, form_for, primary
from bot.domain.errors import NotFound
from bot.services import attachments, clock, ticket_page
from bot.store.undelivered import undelivered

routes = web.RouteTableDef()


async def show(
    request: web.Request, number: str, *, headers: dict[str, str] | None = None
) -> web.Response:
    """The ticket as a page, or as the fragment that replaces it in place."""
    page = await asyncio.to_thread(
        ticket_page.page, request.app[FACTORY], number, staff_of(request).id, clock.now()
    )
    missed = await asyncio.to_thread(undelivered, request.app[FACTORY], number)
    asked = page.pause_asked is not None
    forms = [form_for(step, asked=asked) for step in ORDER if step in page.steps]
    first = primary(page.steps, page.detail.row.status, asked=asked)
    return await render(
        request,
        "_ticket.html" if wants_fragment(request) else "ticket.html",
        headers=headers,
        page=page,
        t=page.detail,
        row=page.detail.row,
        undelivered=missed,
        first=next((form for form in forms if form.step is first), None),
        steps=[form for form in forms if form.step is not first],
        tab="tasks" if page.is_assignee else "queue",
    )


@routes.get("/tickets/{number}")
async def ticket(request: web.Request) -> web.StreamResponse:
    """The ticket page."""
    return await show(request, request.match_info["number"])


@routes.post("/tickets/{number}/phone")
async def phone(request: web.Request) -> web.StreamResponse:
    """Show the resident's number once; the look is written down."""
    number = await asyncio.to_thread(
        ticket_page.reveal_phone,
        request.app[FACTORY],
        request.match_info["number"],
        staff_of(request).id,
        clock.now(),
    )
    template = "_phone.html" if wants_fragment(request) else "phone.html"
    return await render(request, template, phone=number, number=request.match_info["number"])


@routes.get("/photos/{token}")
async def photo(request: web.Request) -> web.StreamResponse:
    """A photo of a ticket in scope, or an own one."""
    path, mime = await asyncio.to_thread(
        attachments.open_for_member,
        request.app[FACTORY],
        request.app[SETTINGS].attachments_dir,
        request.match_info["token"],
        staff_of(request).id,
    )
    if not await asyncio.to_thread(path.is_file):
        raise NotFound("照片文件不在了。")
    response = web.FileResponse(path)
    response.headers.update(
        {"Content-Type": mime, "Cache-Control": "private, max-age=86400, immutable"}
    )
    return response
