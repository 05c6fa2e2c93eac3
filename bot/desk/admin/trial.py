"""Try a candidate beside the live model: one helper process, which ends when nobody asks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.desk.admin.common import number_of, worker_on_corpus
from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.staff.render import render
from bot.domain.errors import BadInput, NotFound, WrongState
from bot.settings import ROOT
from bot.store.models_training import ModelVersion
from bot.training import registry
from bot.training.catalogue import choices, intent_name

routes = web.RouteTableDef()
IDLE_SECONDS = 600.0
START_SECONDS = 120.0
LONGEST = 500


class Room:
    """Holds the helper process for one pair of models at a time."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._pair: tuple[str, str] = ("", "")
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, live: Path, candidate: Path, text: str) -> dict[str, Any]:
        """How both models read a text."""
        async with self._lock:
            process = await self._ready((str(live), str(candidate)))
            if process.stdin is None or process.stdout is None:
                raise WrongState()
            try:
                process.stdin.write(json.dumps({"text": text}).encode() + b"\n")
                await process.stdin.drain()
                line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
                answer: dict[str, Any] = json.loads(line)
            except (OSError, ValueError, asyncio.TimeoutError) as error:
                self.close()
                raise WrongState("试用没有成功，请稍后再试。") from error
            self._wait_for_more()
            return answer

    async def _ready(self, pair: tuple[str, str]) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None or self._pair != pair:
            self.close()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "bot.training.trial", *pair),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self._pair = pair
        return self._process

    def _wait_for_more(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.close)

    def close(self) -> None:
        """End the helper."""
        if self._idle:
            self._idle.cancel()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._process = None


ROOM = web.AppKey("TRIAL_ROOM", Room)


async def room(desk: web.Application) -> AsyncIterator[None]:
    """The room, while the desk is open."""
    desk[ROOM] = Room()
    yield
    desk[ROOM].close()


@routes.post("/corpus/models/{id}/try")
async def try_out(request: web.Request) -> web.StreamResponse:
    """How the live model and this one read a sentence; the sentence is not kept."""
    worker_on_corpus(request)
    text = request["form"].get("text").strip()
    if not text or len(text) > LONGEST:
        raise BadInput(f"请写一句话，最多{LONGEST}个字。")
    live, candidate, names = await asyncio.to_thread(_files, request, number_of(request))
    answer = await request.app[ROOM].ask(live, candidate, text)
    return await render(
        request, "admin/_trial.html", text=text, answer=answer, choices=names, name_of=intent_name
    )


def _files(request: web.Request, model_id: int) -> tuple[Path, Path, Any]:
    live = registry.live_file(request.app[SETTINGS])
    with request.app[FACTORY]() as session:
        model = session.get(ModelVersion, model_id)
        if model is None or not model.file_there:
            raise NotFound()
        if live is None:
            raise WrongState("还没有在用的模型。")
        return live, Path(model.path), choices(session)
