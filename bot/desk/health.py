"""`/healthz`: this process is alive. `/readyz`: everything that a message needs is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from bot.desk.answers import json_response
from bot.desk.keys import FACTORY, HTTP, SETTINGS
from bot.services import health
from bot.services.clock import now

log = logging.getLogger(__name__)

PATIENCE = aiohttp.ClientTimeout(total=3)
OK = "ok"


async def healthz(_request: web.Request) -> web.Response:
    """Alive, whatever the neighbours do."""
    return json_response({"status": OK})


async def readyz(request: web.Request) -> web.Response:
    """Each part by name: "ok" or what is wrong; 503 when one is."""
    found = await asyncio.gather(*(_state(request.app, check) for check in CHECKS.values()))
    states = dict(zip(CHECKS, found, strict=True))
    ready = all(state == OK for state in found)
    return json_response(states, status=200 if ready else 503)


async def _state(app: web.Application, check: Callable[[web.Application], Awaitable[str]]) -> str:
    try:
        return await check(app)
    except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
        return "连不上"
    except Exception:
        log.exception("a readiness check failed")
        return "检查时出错"


async def _database(app: web.Application) -> str:
    answers = await asyncio.to_thread(health.database_answers, app[FACTORY])
    return OK if answers else "没有回答"


async def _rasa(app: web.Application) -> str:
    config = app[SETTINGS]
    status = await _get(app, f"{config.rasa_url}/status", token=config.rasa_token)
    return OK if status.get("model_file") else "还没有载入模型"


async def _actions(app: web.Application) -> str:
    status = await _get(app, f"http://127.0.0.1:{app[SETTINGS].actions_port}/health")
    return OK if status.get("status") == "ok" else "没有就绪"


async def _worker(app: web.Application) -> str:
    fresh = await asyncio.to_thread(health.is_fresh, app[FACTORY], "worker", now())
    return OK if fresh else "没有心跳"


async def _get(app: web.Application, url: str, **query: str) -> dict[str, Any]:
    async with app[HTTP].get(url, params=query, timeout=PATIENCE) as response:
        response.raise_for_status()
        answer: dict[str, Any] = await response.json()
        return answer


CHECKS: dict[str, Callable[[web.Application], Awaitable[str]]] = {
    "database": _database,
    "rasa": _rasa,
    "actions": _actions,
    "worker": _worker,
}


def setup(app: web.Application) -> None:
    """Add the two addresses."""
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
