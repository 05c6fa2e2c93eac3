"""Tokens that work once: a form sent twice acts once, a log-in that was ended stays ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from bot.services import insert_ignore
from bot.store.models_desk import SpentToken

KEEP = dt.timedelta(days=8)  # longer than any log-in lasts


class DoneBefore(Exception):
    """The token was spent: what was asked for has been done."""


class _OnceFactory:
    """Stands in for a session factory: each transaction spends the token, or is not begun."""

    def __init__(self, factory: sessionmaker, token: str, now: dt.datetime) -> None:
        self._factory, self._token, self._now = factory, token, now

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction that holds the token; rolled back, the token is free again."""
        with self._factory.begin() as session:
            _spend(session, self._token, self._now)
            yield session

    def __call__(self) -> Session:
        return cast(Session, self._factory())


def _spend(session: Session, token: str, now: dt.datetime) -> None:
    row = {"token": token, "at": now}
    if insert_ignore(session, SpentToken, row, ["token"]) is None:
        raise DoneBefore()


def once(factory: sessionmaker, token: str, now: dt.datetime) -> sessionmaker:
    """A factory for one use case: a second one with the same token raises DoneBefore.

    The token is spent in the same transaction as the step, so a step that fails can be retried.
    """
    return cast(sessionmaker, _OnceFactory(factory, token, now))


def spend(factory: sessionmaker, token: str, now: dt.datetime) -> None:
    """Make a token invalid, and forget those too old to be sent again."""
    with factory.begin() as session:
        insert_ignore(session, SpentToken, {"token": token, "at": now}, ["token"])
        session.execute(delete(SpentToken).where(SpentToken.at < now - KEEP))


def is_spent(factory: sessionmaker, token: str) -> bool:
    """Whether the token was spent."""
    with factory() as session:
        return session.get(SpentToken, token) is not None
