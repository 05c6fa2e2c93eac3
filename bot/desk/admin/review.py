"""The review queue: two taps a message, by thumb or by keyboard."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from bot.desk.admin.common import worker_on_corpus
from bot.desk.keys import FACTORY
from bot.desk.staff.forms import Form
from bot.desk.staff.render import render, tell, wants_fragment
from bot.domain.errors import BadInput
from bot.services import clock
from bot.training import drift, labels, queue
from bot.training.catalogue import Choice, choices, intent_name

routes = web.RouteTableDef()
HOME = "/desk/corpus"


def _all_choices(request: web.Request) -> dict[str, Choice]:
    with request.app[FACTORY]() as session:
        return choices(session)


@routes.get("/corpus")
async def review(request: web.Request) -> web.StreamResponse:
    """The messages that teach most."""
    staff, factory = worker_on_corpus(request), request.app[FACTORY]
    cards = await asyncio.to_thread(queue.page, factory, staff, clock.now())
    return await _show(request, "admin/review.html", cards=cards, part="queue")


@routes.get("/corpus/undecided")
async def undecided(request: web.Request) -> web.StreamResponse:
    """Messages that wait for a second opinion or for an arbiter."""
    staff, factory = worker_on_corpus(request), request.app[FACTORY]
    second = await asyncio.to_thread(queue.undecided, factory, staff, "second")
    conflict = await asyncio.to_thread(queue.undecided, factory, staff, "conflict")
    both, agreed = await asyncio.to_thread(labels.agreement, factory)
    return await _show(
        request,
        "admin/undecided.html",
        cards=conflict + second,
        both=both,
        agreed=agreed,
        part="undecided",
    )


@routes.get("/corpus/topics")
async def topics(request: web.Request) -> web.StreamResponse:
    """Like messages that fit nowhere, and what is talked about more than before."""
    staff, factory = worker_on_corpus(request), request.app[FACTORY]
    groups = await asyncio.to_thread(queue.new_topics, factory, staff)
    changes = await asyncio.to_thread(drift.report, factory, clock.now())
    return await _show(
        request,
        "admin/topics.html",
        groups=groups,
        changes=changes,
        part="topics",
    )


async def _show(request: web.Request, template: str, **context: Any) -> web.Response:
    factory, staff = request.app[FACTORY], worker_on_corpus(request)
    return await render(
        request,
        template,
        counts=await asyncio.to_thread(queue.counts, factory, staff),
        choices=await asyncio.to_thread(_all_choices, request),
        intent_name=intent_name,
        tab="me",
        **context,
    )


@routes.post("/corpus/label")
async def label(request: web.Request) -> web.StreamResponse:
    """Label one message or a whole cluster."""
    staff, sent = worker_on_corpus(request), request["form"]
    ids, intent = _ids(sent), sent.get("intent")
    if intent == "":
        raise BadInput("请选择一个类别。")
    chosen = None if intent == "none" else intent
    batch = await asyncio.to_thread(
        labels.vote,
        request.app[FACTORY],
        staff,
        ids,
        chosen,
        clock.now(),
        entities=_entities(sent),
        ask_second=bool(sent.get("second")),
    )
    names = await asyncio.to_thread(_all_choices, request)
    words = names[chosen].full_name if chosen else "都不是"
    return await _done(request, ids, batch, f"已标：{words}")


@routes.post("/corpus/skip")
async def skip(request: web.Request) -> web.StreamResponse:
    """Do not show a message again."""
    staff, ids = worker_on_corpus(request), _ids(request["form"])
    batch = await asyncio.to_thread(labels.skip, request.app[FACTORY], staff, ids[0], clock.now())
    return await _done(request, ids, batch, "已跳过")


@routes.post("/corpus/undo")
async def undo(request: web.Request) -> web.StreamResponse:
    """Take back what was just labelled."""
    staff, sent = worker_on_corpus(request), request["form"]
    count = await asyncio.to_thread(
        labels.undo, request.app[FACTORY], staff, sent.get("batch"), clock.now()
    )
    if wants_fragment(request):
        words = f"已撤销{count}条，刷新后会再次出现。"
        return await render(request, "admin/_done.html", words=words, batch="", ids=[])
    await tell(request, f"已撤销{count}条。")
    raise web.HTTPSeeOther(HOME)


def _ids(sent: Form) -> list[int]:
    ids = [int(text) for text in sent.all("id") if text.isascii() and text.isdigit()]
    if not ids or len(ids) != len(sent.all("id")):
        raise BadInput()
    return ids


def _entities(sent: Form) -> list[dict[str, object]]:
    """Marked words: `entity` fields of the form start:end:name."""
    found = []
    for text in sent.all("entity"):
        parts = text.split(":")
        if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):
            raise BadInput("标出的词语位置不对，请重新选择。")
        found.append({"start": int(parts[0]), "end": int(parts[1]), "entity": parts[2]})
    return found


async def _done(request: web.Request, ids: list[int], batch: str, words: str) -> web.Response:
    if wants_fragment(request):
        return await render(request, "admin/_done.html", words=words, batch=batch, ids=ids)
    await tell(request, words)
    raise web.HTTPSeeOther(HOME)
