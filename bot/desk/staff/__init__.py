"""The staff's pages: an application of its own under /desk, closed unless a view says otherwise."""

from __future__ import annotations

import aiohttp_jinja2
import aiohttp_session
from aiohttp import web

from bot.desk import admin
from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.staff import (
    access,
    calls,
    choices,
    errands,
    hub,
    login,
    me,
    proxies,
    queue,
    render,
    stats,
    steps,
    tasks,
    ticket,
    wecom_login,
    what_if,
)


def setup(app: web.Application) -> None:
    """Add the desk to the application, with its sessions and its guard."""
    desk = web.Application(
        middlewares=[
            aiohttp_session.session_middleware(access.storage(app[SETTINGS])),
            render.in_words,
            access.guard,
        ]
    )
    desk[SETTINGS], desk[FACTORY] = app[SETTINGS], app[FACTORY]
    desk[hub.HUB] = hub.Hub(app[FACTORY])
    desk.cleanup_ctx.append(hub.polling)
    desk.on_shutdown.append(hub.close)  # type: ignore[arg-type]  # misdeclared by aiohttp 3.9
    work = (tasks, ticket, steps, queue, calls, proxies, errands)
    for part in (login, wecom_login, *work, choices, what_if, stats, me, hub):
        desk.add_routes(part.routes)
    admin.setup(desk)
    render.setup(aiohttp_jinja2.get_env(app))
    app.add_subapp("/desk", desk)
