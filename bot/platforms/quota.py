"""Sending limits of the platforms, counted in the database before each send.

The platforms either refuse what is over a limit (official account) or drop it without a word
(WeCom), so every process has to know what all of them have sent. Numbers come from the settings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from bot.platforms.errors import HELD_BACK, QUOTA_USED, WINDOW_CLOSED, PlatformError
from bot.store.models_platform import (
    PlatformConsent,
    PlatformRate,
    PlatformSend,
    PlatformWindow,
)


@dataclass(frozen=True)
class ServiceRules:
    """How many customer-service messages (客服消息) a contact opens, and for how long."""

    message_sends: int = 5
    message_window: dt.timedelta = dt.timedelta(hours=48)
    tap_sends: int = 3
    tap_window: dt.timedelta = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Limit:
    """At most `count` sends within `seconds`, wherever the window starts."""

    count: int
    seconds: int


WECOM_LIMITS = (Limit(30, 60), Limit(1000, 3600))
ROBOT_LIMITS = (Limit(20, 60),)


def opened_by_message(
    factory: sessionmaker, channel: str, user: str, rules: ServiceRules, now: dt.datetime
) -> None:
    """The person wrote: a new window with the full count."""
    with factory.begin() as session:
        row = _locked(session, PlatformWindow, {"channel": channel, "user": user})
        row.message_until, row.message_left = now + rules.message_window, rules.message_sends


def opened_by_tap(
    factory: sessionmaker, channel: str, user: str, rules: ServiceRules, now: dt.datetime
) -> None:
    """The person followed, scanned a code or tapped the menu: a short window of its own."""
    with factory.begin() as session:
        row = _locked(session, PlatformWindow, {"channel": channel, "user": user})
        row.tap_until, row.tap_left = now + rules.tap_window, rules.tap_sends


def take_service(factory: sessionmaker, channel: str, user: str, now: dt.datetime) -> None:
    """Count one customer-service send. Raises PlatformError 45015 or 45047 when none is left."""
    with factory.begin() as session:
        row = _locked(session, PlatformWindow, {"channel": channel, "user": user})
        if row.tap_left > 0 and row.tap_until and row.tap_until > now:
            row.tap_left -= 1  # the one that ends sooner is used first
        elif not row.message_until or row.message_until <= now:
            raise PlatformError(WINDOW_CLOSED, "quota")
        elif row.message_left <= 0:
            raise PlatformError(QUOTA_USED, "quota")
        else:
            row.message_left -= 1


def service_refused(factory: sessionmaker, channel: str, user: str) -> None:
    """The platform counts otherwise than we do: believe it until the next contact."""
    with factory.begin() as session:
        row = _locked(session, PlatformWindow, {"channel": channel, "user": user})
        row.message_left = row.tap_left = 0


def take_rate(factory: sessionmaker, key: str, limits: Sequence[Limit], now: dt.datetime) -> None:
    """Count one send to `key`. Raises PlatformError HELD_BACK when a limit is reached."""
    longest = max(limit.seconds for limit in limits)
    with factory.begin() as session:
        _locked(session, PlatformRate, {"key": key})
        session.execute(
            delete(PlatformSend)
            .where(PlatformSend.key == key, PlatformSend.at <= _before(now, longest))
            .execution_options(synchronize_session=False)
        )
        for limit in limits:
            used = session.scalar(
                select(func.count(PlatformSend.id)).where(
                    PlatformSend.key == key, PlatformSend.at > _before(now, limit.seconds)
                )
            )
            if (used or 0) >= limit.count:
                raise PlatformError(HELD_BACK, "quota")
        session.add(PlatformSend(key=key, at=now))


def consent_given(factory: sessionmaker, channel: str, user: str, template_id: str) -> None:
    """The person accepted one subscribe message of this template."""
    key = {"channel": channel, "user": user, "template_id": template_id}
    with factory.begin() as session:
        row = _locked(session, PlatformConsent, key)
        row.left += 1


def take_consent(factory: sessionmaker, channel: str, user: str, template_id: str) -> bool:
    """Use up one consent; False where there is none."""
    key = {"channel": channel, "user": user, "template_id": template_id}
    with factory.begin() as session:
        row = session.get(PlatformConsent, tuple(key.values()), with_for_update=True)
        if row is None or row.left <= 0:
            return False
        row.left -= 1
        return True


def forget(session: Session, channel: str, user: str) -> None:
    """Delete what is kept under a person's platform identity."""
    for table in (PlatformWindow, PlatformConsent):
        session.execute(delete(table).where(table.channel == channel, table.user == user))


def _before(now: dt.datetime, seconds: int) -> dt.datetime:
    return now - dt.timedelta(seconds=seconds)


def _locked(session: Session, table: Any, key: dict[str, str]) -> Any:
    """The row with this key, made where missing, locked until the transaction ends."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    empty = {c.name: c.default.arg for c in table.__table__.columns if c.default is not None}
    statement = dialect.insert(table).values({**empty, **key}).on_conflict_do_nothing()
    session.execute(statement)
    return session.get(table, tuple(key.values()), with_for_update=True)
