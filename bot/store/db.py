"""The process-wide session factory, made from the settings on first use."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy.orm import sessionmaker

from bot.settings import settings
from bot.store.base import make_engine, make_session_factory


@lru_cache(maxsize=1)
def session_factory() -> sessionmaker:
    """Sessions on LINLI_DATABASE_URL."""
    return make_session_factory(make_engine(settings().database_url))
