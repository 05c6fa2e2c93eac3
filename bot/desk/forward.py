"""Hand a stored message to Rasa. Best effort: what Rasa misses, the worker has it drain later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web

from bot.desk import visitor
from bot.desk.keys import HTTP, SETTINGS
from bot.services.inbox import Inbound

log = logging.getLogger(__name__)

PATIENCE = aiohttp.ClientTimeout(total=5)
TASKS = web.AppKey("TASKS", set)


def hand_over(app: web.Application, message: Inbound) -> None:
    """Tell Rasa in the background; the resident's post need not wait for it."""
    task = asyncio.create_task(_post(app, message))
    app[TASKS].add(task)  # a task without a reference may be dropped half done
    task.add_done_callback(app[TASKS].discard)


async def _post(app: web.Application, message: Inbound) -> None:
    config = app[SETTINGS]
    # The message is stored already; WeChat's own address takes signed calls only.
    what = "webhook" if message.channel == visitor.CHANNEL else "drain"
    try:
        async with app[HTTP].post(
            f"{config.rasa_url}/webhooks/{message.channel}/{what}",
            json=_as_json(message),
            headers={"Authorization": f"Bearer {config.rasa_token}"},
            timeout=PATIENCE,
        ) as response:
            response.raise_for_status()
    except (aiohttp.ClientError, asyncio.TimeoutError) as error:
        log.warning("Rasa did not take a message, the worker will see to it: %s", error)


def _as_json(message: Inbound) -> dict[str, Any]:
    return {
        "key": message.key,
        "sender": message.sender,
        "kind": message.kind,
        "text": message.text,
        "media": message.media,
        "body_hash": message.body_hash,
    }


async def _waiting_tasks(app: web.Application) -> AsyncIterator[None]:
    yield
    await asyncio.gather(*app[TASKS], return_exceptions=True)


def setup(app: web.Application) -> None:
    """Keep the tasks, and let them end before the application does."""
    app[TASKS] = set()
    app.cleanup_ctx.append(_waiting_tasks)
