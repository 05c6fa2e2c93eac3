"""Models: the gate's report, shadowing, promotion, roll-back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.orm import joinedload, sessionmaker

from bot.desk.admin import plots
from bot.desk.admin.common import HTTP, number_of, worker_on_corpus
from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.staff.render import render, tell
from bot.domain.errors import NotFound
from bot.services import clock
from bot.settings import Settings
from bot.store.models import Member
from bot.store.models_training import ModelVersion, Promotion, TrainingJob
from bot.training import gate, jobs, registry, shadow, switch
from bot.training.catalogue import intent_name
from bot.training.labels import may_arbitrate

routes = web.RouteTableDef()
MODELS = "/desk/corpus/models"
SHOWN = 20
KINDS = {"found": "人工训练", "promote": "换上", "rollback": "换回", "automatic": "自动换回"}


@dataclass(frozen=True)
class Overview:
    """What the page of models shows."""

    models: list[ModelVersion]
    live: ModelVersion | None
    previous: ModelVersion | None
    switches: list[tuple[Promotion, str]]
    training: TrainingJob | None
    shadowing: TrainingJob | None


def overview(factory: sessionmaker, config: Settings) -> Overview:
    """Models, switches and jobs, newest first."""
    live_id = registry.adopt(factory, config, clock.now())
    with factory() as session:
        models = session.scalars(
            select(ModelVersion).order_by(ModelVersion.id.desc()).limit(SHOWN)
        ).all()
        switches = session.execute(
            select(Promotion, Member.name)
            .outerjoin(Member, Promotion.member_id == Member.id)
            .options(joinedload(Promotion.model))
            .order_by(Promotion.id.desc())
            .limit(SHOWN)
        ).all()
        newest = select(TrainingJob).order_by(TrainingJob.id.desc()).limit(1)
        last = session.scalars(newest.where(TrainingJob.kind == jobs.TRAIN)).first()
        along = session.scalars(
            newest.where(TrainingJob.kind == jobs.SHADOW, TrainingJob.status.in_(jobs.OPEN))
        ).first()
        before = switch.previous_id(session)
        return Overview(
            list(models),
            session.get(ModelVersion, live_id) if live_id else None,
            session.get(ModelVersion, before) if before else None,
            [(promotion, name or "平台") for promotion, name in switches],
            last,
            along,
        )


@routes.get("/corpus/models")
async def models(request: web.Request) -> web.StreamResponse:
    """All models, the running job, and the history of switches."""
    staff, factory = worker_on_corpus(request), request.app[FACTORY]
    shown = await asyncio.to_thread(overview, factory, request.app[SETTINGS])
    return await render(
        request,
        "admin/models.html",
        o=shown,
        kinds=KINDS,
        summary=gate.summary,
        may_arbitrate=may_arbitrate(staff),
        part="models",
        tab="me",
    )


def _one(factory: sessionmaker, config: Settings, model_id: int) -> dict[str, Any]:
    live = registry.live_file(config)
    with factory() as session:
        model = session.get(ModelVersion, model_id)
        if model is None:
            raise NotFound()
    total, apart, examples = shadow.result(factory, model_id)
    return {
        "model": model,
        "is_live": live is not None and live.name == model.name,
        "total": total,
        "apart": apart,
        "examples": examples,
    }


@routes.get("/corpus/models/{id}")
async def model(request: web.Request) -> web.StreamResponse:
    """The report on one model, in words and plots."""
    staff = worker_on_corpus(request)
    shown = await asyncio.to_thread(
        _one, request.app[FACTORY], request.app[SETTINGS], number_of(request)
    )
    report = shown["model"].report
    return await render(
        request,
        "admin/model.html",
        report=report,
        words=gate.summary(report) if report else "这个模型是人工训练的，没有体检报告。",
        bars=plots.bars(report["intents"], intent_name) if report else "",
        reliability=plots.reliability(report["calibration"]) if report else "",
        confusion=plots.confusion(report["confusion"], intent_name) if report else "",
        intent_name=intent_name,
        may_arbitrate=may_arbitrate(staff),
        part="models",
        tab="me",
        **shown,
    )


@routes.get("/corpus/models/{id}/report.json")
async def report_json(request: web.Request) -> web.StreamResponse:
    """The report for programs."""
    worker_on_corpus(request)
    shown = await asyncio.to_thread(
        _one, request.app[FACTORY], request.app[SETTINGS], number_of(request)
    )
    model = shown["model"]
    return web.json_response(
        {
            "model": model.name,
            "sha256": model.sha256,
            "seed": model.seed,
            "data_hash": model.data_hash,
            "config_hash": model.config_hash,
            "versions": model.versions,
            "counts": model.counts,
            "report": model.report,
            "shadow": {"messages": shown["total"], "disagreements": shown["apart"]},
        }
    )


@routes.post("/corpus/models/{id}/shadow")
async def start_shadow(request: web.Request) -> web.StreamResponse:
    """Let a candidate read along."""
    staff, minutes = worker_on_corpus(request), request["form"].number("minutes") or 60
    model_id = number_of(request)
    await asyncio.to_thread(
        jobs.ask_shadow, request.app[FACTORY], staff, model_id, minutes, clock.now()
    )
    await tell(request, "新模型开始旁听，居民不会察觉。")
    raise web.HTTPSeeOther(f"{MODELS}/{model_id}")


@routes.post("/corpus/models/{id}/promote")
async def promote(request: web.Request) -> web.StreamResponse:
    """Make a candidate live on every Rasa process."""
    staff, reason = worker_on_corpus(request), request["form"].get("reason")
    done = await asyncio.shield(
        switch.promote(
            request.app[FACTORY],
            request.app[HTTP],
            request.app[SETTINGS],
            staff,
            number_of(request),
            reason,
        )
    )
    await tell(request, _words("已换上新模型", done))
    raise web.HTTPSeeOther(MODELS)


@routes.post("/corpus/rollback")
async def roll_back(request: web.Request) -> web.StreamResponse:
    """Back to the model before, in one tap."""
    staff = worker_on_corpus(request)
    done = await asyncio.shield(
        switch.roll_back(request.app[FACTORY], request.app[HTTP], request.app[SETTINGS], staff)
    )
    await tell(request, _words("已换回上一个模型", done))
    raise web.HTTPSeeOther(MODELS)


def _words(success: str, done: switch.Switched) -> str:
    if done.done:
        return f"{success}，用时 {done.seconds} 秒。"
    if any(answer.startswith("HTTP 4") for answer in done.answers.values()):
        return "对话进程不接受这个模型，已保持原来的模型。"
    return "有对话进程暂时没有回应，恢复后会自动换上。"
