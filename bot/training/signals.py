"""How much a message can teach, and why, from what happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.store.models import Utterance

# Reasons in the words of the page; the weight says how much such a message teaches.
RETURNED, CHANGED, CORRECTED = "被退单", "工作人员改过事项", "居民更正过"
DROPPED = "居民没有确认"
FALLBACK, DISAGREE, UNSURE, CLOSE = "没听懂", "新旧模型看法不同", "拿不准", "两可之间"
MORE = "近来变多"
WEIGHTS = {
    RETURNED: 1.0,
    CHANGED: 1.0,
    CORRECTED: 1.0,
    DROPPED: 0.8,
    FALLBACK: 0.95,
    DISAGREE: 0.9,
    CLOSE: 0.7,
    MORE: 0.5,
}
LOW_CONFIDENCE = 0.6
SMALL_MARGIN = 0.15


@dataclass(frozen=True)
class Happened:
    """What the rest of the database knows about a message."""

    returned: bool = False
    changed: bool = False
    disagree: bool = False
    more: bool = False


def value(utterance: Utterance, happened: Happened) -> tuple[float, str]:
    """(0 to 1, the strongest reason) of a message; the reason is empty where there is none."""
    reasons = _reasons(utterance, happened)
    unsure = 1.0 - float(utterance.confidence or 0.0)
    best = max(reasons, key=lambda reason: WEIGHTS[reason], default="")
    worth = max(unsure, WEIGHTS.get(best, 0.0))
    if not best and unsure > 1 - LOW_CONFIDENCE:
        best = UNSURE
    return worth, best


def _reasons(utterance: Utterance, happened: Happened) -> list[str]:
    outcome = utterance.outcome or ""
    checks = {
        RETURNED: happened.returned,
        CHANGED: happened.changed,
        CORRECTED: outcome == "corrected",
        DROPPED: outcome == "cancelled",
        FALLBACK: outcome == "fallback" or utterance.intent == "nlu_fallback",
        DISAGREE: happened.disagree,
        CLOSE: margin(utterance.ranking or []) < SMALL_MARGIN,
        MORE: happened.more,
    }
    return [reason for reason, holds in checks.items() if holds]


def margin(ranking: list[dict[str, Any]]) -> float:
    """How far the likeliest intent is ahead of the next; 1 where there is only one."""
    sure = sorted(
        (float(r["confidence"]) for r in ranking if r.get("name") != "nlu_fallback"), reverse=True
    )
    return sure[0] - sure[1] if len(sure) > 1 else 1.0
