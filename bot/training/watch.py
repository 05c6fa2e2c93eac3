"""Watch the bot after a switch, and take the switch back when residents are understood less."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging

import aiohttp
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import LinliError
from bot.services.clock import now as clock_now
from bot.settings import Settings
from bot.store.models import Utterance
from bot.training.drift import z_of
from bot.training.switch import last_switch, roll_back

log = logging.getLogger(__name__)

BEFORE = dt.timedelta(days=7)
WATCH = dt.timedelta(days=3)
FEWEST_AFTER = 30
SIGNIFICANT = 2.33  # one-sided, one in a hundred


def fallback_rate(session: Session, start: dt.datetime, end: dt.datetime) -> tuple[int, int]:
    """(not understood, all) of the messages in a span of time."""
    rows = session.execute(
        select(Utterance.outcome == "fallback", func.count(Utterance.id))
        .where(Utterance.at >= start, Utterance.at < end, Utterance.outcome.is_not(None))
        .group_by(Utterance.outcome == "fallback")
    )
    counts = {bool(missed): int(number) for missed, number in rows}
    return counts.get(True, 0), sum(counts.values())


def doubled(factory: sessionmaker, now: dt.datetime) -> str | None:
    """Why the last promotion should be taken back: its fallback rate doubled; or None."""
    with factory() as session:
        last = last_switch(session)
        if last is None or last.kind != "promote" or last.status != "done":
            return None
        if now - last.done_at > WATCH:
            return None
        missed, total = fallback_rate(session, last.done_at, now)
        before, total_before = fallback_rate(session, last.at - BEFORE, last.at)
    if total < FEWEST_AFTER or not total_before:
        return None
    rate, rate_before = missed / total, before / total_before
    z = z_of(missed, total, before, total_before)
    if rate < 2 * rate_before or z < SIGNIFICANT:
        return None
    return f"换上后“没听懂”从 {rate_before:.1%} 升到 {rate:.1%}（{total} 条），自动换回。"


async def watch(factory: sessionmaker, http: aiohttp.ClientSession, config: Settings) -> bool:
    """Roll back by itself when the fallback rate doubled; whether it did."""
    why = await asyncio.to_thread(doubled, factory, clock_now())
    if why is None:
        return False
    log.warning("rolling back: %s", why)
    try:
        await roll_back(factory, http, config, None, why)
    except LinliError as error:
        log.error("cannot roll back: %s", error.text)
        return False
    return True
