"""Taking a step: its form, a question before what cannot be undone, the act, the answer."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import web

from bot.desk.keys import FACTORY
from bot.desk.staff import photos
from bot.desk.staff.access import staff_of
from bot.desk.staff.forms import Form
from bot.desk.staff.render import new_token, render, tell, wants_fragment
from bot.desk.staff.step_form import StepForm, Values
from bot.desk.staff.step_forms import FORMS, form_for
from bot.desk.staff.ticket import show
from bot.desk.staff.words import ascii_json
from bot.domain.errors import BadInput, Conflict, LinliError, NotFound, WrongState
from bot.domain.status import Step
from bot.services import clock, members, ticket_page
from bot.services.once import DoneBefore, once
from bot.store import catalogue, co_tasks

routes = web.RouteTableDef()
MAX_TOKEN = 64
NUMBER = re.compile(r"[0-9A-Z-]+")


def _step_of(request: web.Request) -> Step:
    try:
        step = Step(request.match_info["step"])
    except ValueError:
        raise NotFound("没有这个操作。") from None
    if step not in FORMS:
        raise NotFound("没有这个操作。")
    return step


@routes.get("/tickets/{number}/do/{step}")
async def ask(request: web.Request) -> web.StreamResponse:
    """The form of a step that is open to this member now."""
    step, page = _step_of(request), await _page(request)
    if step not in page.steps:
        raise WrongState("这一步现在不能做，请刷新工单看看最新情况。")
    form, values = _form(step, page), Values(version=page.detail.row.version)
    return await _render(request, form, page, values, token=new_token())


def _form(step: Step, page: ticket_page.Page) -> StepForm:
    return form_for(step, asked=page.pause_asked is not None)


async def _page(request: web.Request) -> ticket_page.Page:
    return await asyncio.to_thread(
        ticket_page.page,
        request.app[FACTORY],
        request.match_info["number"],
        staff_of(request).id,
        clock.now(),
    )


async def _render(
    request: web.Request,
    form: StepForm,
    page: ticket_page.Page,
    values: Values,
    *,
    token: str,
    status: int = 200,
    **context: Any,
) -> web.Response:
    """The form in the sheet (htmx) or as a page of its own."""
    if form.colleague:
        context["colleagues"] = await _colleagues(request, "")
    if form.departments:
        factory = request.app[FACTORY]
        context["departments"] = await asyncio.to_thread(co_tasks.departments, factory)
    if form.items:
        context["items"] = await asyncio.to_thread(catalogue.find_items, request.app[FACTORY])
    in_sheet = wants_fragment(request)
    return await render(
        request,
        "_step.html" if in_sheet else "step.html",
        in_sheet=in_sheet,
        status=status,
        form=form,
        page=page,
        row=page.detail.row,
        values=values,
        token=token,
        tab="tasks",
        **context,
    )


async def _colleagues(request: web.Request, words: str) -> list[tuple[str, str]]:
    return await asyncio.to_thread(
        members.colleagues, request.app[FACTORY], staff_of(request), words.strip()[:20]
    )


@routes.get("/colleagues")
async def colleagues(request: web.Request) -> web.StreamResponse:
    """Members to whom a ticket may go, searched by name."""
    found = await _colleagues(request, request.query.get("q", ""))
    return await render(request, "_colleagues.html", colleagues=found, chosen="")


@routes.post("/tickets/{number}/do/{step}")
async def act(request: web.Request) -> web.StreamResponse:
    """Take the step once, however often the form is sent."""
    step, sent = _step_of(request), request["form"]
    form = _form(step, await _page(request))
    number, token = request.match_info["number"], sent.get("once")[:MAX_TOKEN] or new_token()
    values = _values(sent, tuple(sent.all("photo")))
    try:
        values = await _with_photos(request, form, sent, values)
        if form.confirm and not sent.get("sure"):
            return await _confirm(request, form, values, token)
        factory = once(request.app[FACTORY], token, clock.now())
        await asyncio.to_thread(
            form.run, factory, number, staff_of(request).id, values, clock.now()
        )
    except DoneBefore:
        pass
    except LinliError as error:
        return await _refused(request, form, values, token, error)
    return await _done(request, form, number)


def _values(sent: Form, photos: tuple[str, ...]) -> Values:
    return Values(
        note=sent.get("note"),
        photos=photos,
        colleague=sent.get("colleague"),
        suggest=sent.get("suggest"),
        choice=sent.get("choice"),
        item=sent.get("item"),
        departments=tuple(sent.all("department")),
        numbers=(*sent.all("ticket"), *NUMBER.findall(sent.get("other").upper())),
        version=sent.number("version"),
    )


async def _with_photos(request: web.Request, form: StepForm, sent: Form, values: Values) -> Values:
    """The values with newly sent photos stored, as tokens."""
    if not form.photos or not sent.photos:
        return values
    # Nobody may fill the disk who cannot take the step.
    if form.step not in (await _page(request)).steps:
        raise WrongState()
    tokens = [await asyncio.to_thread(photos.store, request, data) for data in sent.photos]
    return _values(sent, (*values.photos, *tokens))


async def _confirm(
    request: web.Request, form: StepForm, values: Values, token: str
) -> web.StreamResponse:
    """Ask once more; what is missing is said first."""
    if form.label and not form.optional and not values.note.strip():
        raise BadInput(f"请写明{form.label}。")
    if form.merges and not values.numbers:
        raise BadInput("请选择要并入的工单。")
    if values.version is not None and values.version != (await _page(request)).detail.row.version:
        raise Conflict()
    page = await _page(request)
    return await _render(request, form, page, values, token=token, asking=True)


async def _refused(
    request: web.Request, form: StepForm, values: Values, token: str, error: LinliError
) -> web.StreamResponse:
    """The form again, filled as it was, with what was wrong."""
    if request["form"].get("from") == "list" and wants_fragment(request):
        raise error  # there is no form to show it in: the list tells it and looks again
    page = await _page(request)  # out of scope: NotFound, as everywhere
    return await _render(
        request,
        form,
        page,
        values,
        token=token,
        status=422,
        error=error.text,
        stale=isinstance(error, (Conflict, WrongState)),
    )


async def _done(request: web.Request, form: StepForm, number: str) -> web.StreamResponse:
    """The new state in place, or back to the page."""
    if not wants_fragment(request):
        await tell(request, form.done)
        raise web.HTTPSeeOther(f"/desk/tickets/{number}")
    if request["form"].get("from") == "list":
        await tell(request, form.done)
        return web.Response(headers={"HX-Redirect": f"/desk/tickets/{number}"})
    told = {"HX-Trigger": ascii_json({"desk:done": {"text": form.done}})}
    put = {"HX-Retarget": "#ticket", "HX-Reswap": "outerHTML"}
    try:
        return await show(request, number, headers=told | put)
    except NotFound:  # handed over to where this member does not look
        await tell(request, form.done)
        return web.Response(headers={"HX-Redirect": "/desk"})
