"""The corpus centre (语料中心): label what residents said, train, judge, switch, roll back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from bot.desk.admin import jobs, models, review, trial
from bot.desk.admin.common import HTTP


def setup(desk: web.Application) -> None:
    """Add the corpus centre's routes to the staff's application."""
    desk.cleanup_ctx.append(_http)
    desk.cleanup_ctx.append(trial.room)
    for part in (review, models, jobs, trial):
        desk.add_routes(part.routes)


async def _http(desk: web.Application) -> AsyncIterator[None]:
    """For Rasa's own interface, on this machine or the next: never through a proxy."""
    async with aiohttp.ClientSession() as session:
        desk[HTTP] = session
        yield
