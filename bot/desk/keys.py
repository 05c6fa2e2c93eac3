"""What the application holds for its views, by typed key."""

from __future__ import annotations

import aiohttp
from aiohttp import web
from sqlalchemy.orm import sessionmaker

from bot.settings import Settings

SETTINGS = web.AppKey("SETTINGS", Settings)
FACTORY = web.AppKey("FACTORY", sessionmaker)
HTTP = web.AppKey("HTTP", aiohttp.ClientSession)  # to the neighbours, never through a proxy
