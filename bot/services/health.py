"""Heart-beats of processes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import sessionmaker

from bot.store.models import Heartbeat

FRESH = dt.timedelta(seconds=30)


def beat(
    factory: sessionmaker, name: str, now: dt.datetime, detail: dict[str, Any] | None = None
) -> None:
    """A sign of life of process `name`."""
    with factory.begin() as session:
        session.merge(Heartbeat(name=name, at=now, detail=detail or {}))


def is_fresh(factory: sessionmaker, name: str, now: dt.datetime) -> bool:
    """Whether process `name` gave a sign of life lately."""
    with factory() as session:
        at = session.scalar(select(Heartbeat.at).where(Heartbeat.name == name))
        return at is not None and now - at < FRESH


def database_answers(factory: sessionmaker) -> bool:
    """Whether a query goes through."""
    with factory() as session:
        return session.scalar(text("select 1")) == 1
