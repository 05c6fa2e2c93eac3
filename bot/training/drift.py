"""What residents talk about more than before, and how often the bot does not understand."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from bot.store.models import Utterance

WEEK = dt.timedelta(days=7)
BEFORE = dt.timedelta(days=28)
FEWEST = 20
SIGNIFICANT = 2.58  # one in a hundred by chance, both ways


@dataclass(frozen=True)
class Change:
    """An intent's share of messages in the last week, and in the four weeks before."""

    intent: str
    share: float
    before: float
    z: float


def z_of(hits: int, total: int, hits_before: int, total_before: int) -> float:
    """How many standard errors the first share lies above the second."""
    if not total or not total_before:
        return 0.0
    pooled = (hits + hits_before) / (total + total_before)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / total + 1 / total_before))
    return (hits / total - hits_before / total_before) / spread if spread else 0.0


def changes(session: Session, now: dt.datetime) -> list[Change]:
    """Intents whose share changed more than chance explains, the strongest first."""
    new = _counts(session, now - WEEK, now)
    old = _counts(session, now - WEEK - BEFORE, now - WEEK)
    total, total_before = sum(new.values()), sum(old.values())
    if min(total, total_before) < FEWEST:
        return []
    found = [
        Change(
            name,
            new[name] / total,
            old[name] / total_before,
            z_of(new[name], total, old[name], total_before),
        )
        for name in sorted({*new, *old})
    ]
    return sorted((c for c in found if abs(c.z) >= SIGNIFICANT), key=lambda c: -abs(c.z))


def _counts(session: Session, start: dt.datetime, end: dt.datetime) -> Counter[str]:
    rows = session.execute(
        select(Utterance.intent, func.count(Utterance.id))
        .where(Utterance.at >= start, Utterance.at < end, Utterance.intent.is_not(None))
        .group_by(Utterance.intent)
    )
    return Counter(dict(rows.all()))


def growing(session: Session, now: dt.datetime) -> set[str]:
    """Intents that became more frequent."""
    return {change.intent for change in changes(session, now) if change.z > 0}


def report(factory: sessionmaker, now: dt.datetime) -> list[Change]:
    """The changes, for a page."""
    with factory() as session:
        return changes(session, now)
