"""回访: the calls that I may make, and a form for what the resident said."""

from __future__ import annotations

import asyncio

from aiohttp import web

from bot.desk.keys import FACTORY
from bot.desk.staff.access import staff_of
from bot.desk.staff.forms import Form
from bot.desk.staff.render import new_token, render, tell
from bot.domain.errors import BadInput, LinliError, NotAllowed, NotFound
from bot.domain.status import Status
from bot.services import callbacks, clock
from bot.services.once import DoneBefore, once

routes = web.RouteTableDef()
MAX_TOKEN = 64
ANSWERS = {"yes": True, "no": False}
NOBODY = "nobody"
EMPTY = Form()


@routes.get("/calls")
async def calls(request: web.Request) -> web.StreamResponse:
    """Calls to make, soonest first."""
    _dispatchers_only(request)
    found = await asyncio.to_thread(callbacks.to_call, request.app[FACTORY], staff_of(request).id)
    return await render(request, "calls.html", calls=found, tab="me")


def _dispatchers_only(request: web.Request) -> None:
    if not staff_of(request).is_dispatcher:
        raise NotAllowed("回访由社区和街道的调度人员来做。")


def _id(request: web.Request) -> int:
    text = request.match_info["id"]
    if len(text) > 9:
        raise NotFound()
    return int(text)


@routes.get(r"/calls/{id:\d+}")
async def call(request: web.Request) -> web.StreamResponse:
    """What to know before dialling, and the form to fill in meanwhile."""
    return await _page(request, EMPTY, new_token())


async def _page(
    request: web.Request, sent: Form, token: str, *, status: int = 200, error: str = ""
) -> web.Response:
    _dispatchers_only(request)
    found = await asyncio.to_thread(
        callbacks.one, request.app[FACTORY], _id(request), staff_of(request).id
    )
    return await render(
        request,
        "call.html",
        status=status,
        error=error,
        call=found,
        sent=sent,
        token=token,
        tab="me",
    )


@routes.post(r"/calls/{id:\d+}")
async def record(request: web.Request) -> web.StreamResponse:
    """Write the call down, once."""
    _dispatchers_only(request)
    sent: Form = request["form"]
    token = sent.get("once")[:MAX_TOKEN] or new_token()
    try:
        done = await asyncio.to_thread(_record, request, sent, token)
    except DoneBefore:
        done = "回访已记录"
    except LinliError as error:
        return await _page(request, sent, token, status=422, error=error.text)
    await tell(request, done)
    raise web.HTTPSeeOther("/desk/calls")


def _record(request: web.Request, sent: Form, token: str) -> str:
    """Returns what to say of it."""
    factory, me = once(request.app[FACTORY], token, clock.now()), staff_of(request).id
    if sent.get("solved") == NOBODY:
        over = callbacks.no_answer(factory, _id(request), me, clock.now())
        return "几次都没有打通，不再回访" if over else "已记下，1个工作日内请再打一次"
    if sent.get("solved") not in ANSWERS:
        raise BadInput("请选择问题是否已解决。")
    solved = ANSWERS[sent.get("solved")]
    if not solved and not sent.get("words").strip():
        raise BadInput("没有解决时，请写明居民怎么说，承办人要据此重新办理。")
    status = callbacks.called(
        factory,
        _id(request),
        me,
        clock.now(),
        solved=solved,
        stars=sent.number("stars"),
        words=sent.get("words"),
    )
    return "已记录，工单已重新办理" if status == Status.REOPENED.value else "回访已记录"
