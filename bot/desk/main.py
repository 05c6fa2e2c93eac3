"""The desk: one aiohttp application with the residents' chat page and the staff's pages."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path

import aiohttp
import aiohttp_jinja2
import jinja2
from aiohttp import web
from sqlalchemy.orm import sessionmaker

from bot.desk import chat, errors, health, security, staff, wechat_login
from bot.desk.keys import FACTORY, HTTP, SETTINGS
from bot.services import attachments
from bot.settings import Settings, settings
from bot.store.db import session_factory

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
MAX_BODY = attachments.MAX_BYTES + 1024 * 1024  # a photo, and the fields of its form
SHUTDOWN_SECONDS = 5


def make_app(config: Settings, factory: sessionmaker) -> web.Application:
    """The application; `chat` and `staff` add their own routes, middlewares and clean-up."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[errors.in_words])
    app[SETTINGS], app[FACTORY] = config, factory
    app.on_response_prepare.append(  # misdeclared by aiohttp 3.9
        security.add_headers  # type: ignore[arg-type]
    )
    app.cleanup_ctx.append(_http)
    _templates(app)
    app.router.add_static("/static", STATIC)
    app.router.add_get("/", _front_door)
    health.setup(app)
    chat.setup(app)
    wechat_login.setup(app)
    staff.setup(app)
    return app


async def _http(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        app[HTTP] = session
        yield


def _templates(app: web.Application) -> None:
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        context_processors=[aiohttp_jinja2.request_processor],
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = static


@lru_cache(maxsize=64)
def static(name: str) -> str:
    """Address of a static file, with its checksum, so that a changed file is fetched anew."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


async def _front_door(_request: web.Request) -> web.Response:
    """Most who come without a path are residents."""
    raise web.HTTPFound("/chat")


def run() -> None:
    """Entry of the desk process."""
    config = settings()
    web.run_app(
        make_app(config, session_factory()),
        host=config.desk_host,
        port=config.desk_port,
        print=None,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
