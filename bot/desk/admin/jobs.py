"""Training jobs: start, watch, cancel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any

from aiohttp import web
from sqlalchemy.orm import sessionmaker

from bot.desk.admin.common import number_of, worker_on_corpus
from bot.desk.keys import FACTORY
from bot.desk.staff.render import tell
from bot.domain.errors import NotFound
from bot.services import clock
from bot.store.models_training import TrainingJob
from bot.training import jobs

routes = web.RouteTableDef()
LOOK_SECONDS = 0.5
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


@routes.post("/corpus/train")
async def train(request: web.Request) -> web.StreamResponse:
    """Queue a training."""
    staff = worker_on_corpus(request)
    seed = request["form"].number("seed")
    seed = secrets.randbelow(10_000) if seed is None else seed
    await asyncio.to_thread(jobs.ask_training, request.app[FACTORY], staff, seed, clock.now())
    await tell(request, "已开始训练，通常一两分钟。")
    raise web.HTTPSeeOther("/desk/corpus/models")


@routes.post("/corpus/jobs/{id}/cancel")
async def cancel(request: web.Request) -> web.StreamResponse:
    """Stop a job."""
    staff = worker_on_corpus(request)
    await asyncio.to_thread(
        jobs.cancel, request.app[FACTORY], staff, number_of(request), clock.now()
    )
    await tell(request, "正在取消。")
    raise web.HTTPSeeOther("/desk/corpus/models")


def state(factory: sessionmaker, job_id: int) -> dict[str, Any]:
    """Where a job stands."""
    with factory() as session:
        job = session.get(TrainingJob, job_id)
        if job is None:
            raise NotFound()
        return {
            "status": job.status,
            "stage": job.stage,
            "progress": job.progress,
            "log": job.log,
            "error": job.error,
            "model": job.model_id,
        }


@routes.get("/corpus/jobs/{id}/stream")
async def stream(request: web.Request) -> web.StreamResponse:
    """Progress as server-sent events, until the job ends."""
    worker_on_corpus(request)
    job_id, factory = number_of(request), request.app[FACTORY]
    shown = await asyncio.to_thread(state, factory, job_id)
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):
        await _send(response, shown)
        while shown["status"] in jobs.OPEN:
            await asyncio.sleep(LOOK_SECONDS)
            now = await asyncio.to_thread(state, factory, job_id)
            if now != shown:
                await _send(response, now)
            shown = now
    return response


async def _send(response: web.StreamResponse, shown: dict[str, Any]) -> None:
    name = "progress" if shown["status"] in jobs.OPEN else "end"
    text = json.dumps(shown, ensure_ascii=False)
    await response.write(f"event: {name}\ndata: {text}\n\n".encode())
