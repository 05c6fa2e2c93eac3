"""Declarative base, UTC time column, engine and session factory."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import DateTime, MetaData, create_engine, event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.orm import declarative_base, sessionmaker
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Base: Any = declarative_base(metadata=MetaData(naming_convention=NAMING))


class UtcDateTime(TypeDecorator):
    """Aware UTC datetimes in Python, naive UTC in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Aware → naive UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime: pass aware UTC times")
        return value.astimezone(dt.timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Naive UTC → aware."""
        return None if value is None else value.replace(tzinfo=dt.timezone.utc)


def make_engine(url: str) -> Engine:
    """Engine for SQLite (WAL) or PostgreSQL."""
    if not url.startswith("sqlite"):
        return create_engine(
            url,
            future=True,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=20,
            # Many rows for one statement go to the server in one round trip, not in one each.
            executemany_mode="values_plus_batch",
        )
    pooled: dict[str, Any] = {}
    if make_url(url).database not in {None, "", ":memory:"}:
        # By default a file is opened anew for each session, which costs more than the queries.
        pooled = {"poolclass": QueuePool, "pool_size": 10, "max_overflow": 20}
    engine = create_engine(
        url, future=True, connect_args={"timeout": 30, "check_same_thread": False}, **pooled
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        # pysqlite's own BEGIN is lazy, which lets two readers both try to upgrade to a write
        # lock and fail with "database is locked"; we begin by hand instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        mode = "IMMEDIATE" if connection.get_execution_options().get("write") else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


class Sessions(sessionmaker):
    """`sessions()` reads, `sessions.begin()` writes: on SQLite only the second takes the lock."""

    def begin(self) -> Any:
        """A session in a transaction that commits at the end of the block."""
        session: Any = self(bind=self.kw["bind"].execution_options(write=True))
        return session._maker_context_manager()


def make_session_factory(engine: Engine) -> sessionmaker:
    """Factory of 2.0-style sessions whose objects stay readable after commit."""
    return Sessions(bind=engine, future=True, expire_on_commit=False)
