"""Who gets a ticket (派单): pure rules over plain values.

The caller climbs the organisation tree from the start level and hands in one `Rung` after the
other; the first rung with an eligible member decides. The street's duty desk always takes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.domain.levels import LEVEL_NAMES, Level, Role, rank, standing
from bot.domain.status import OPEN, Status
from bot.domain.worktime import SHANGHAI

# What an open ticket weighs on its owner's desk, by clock class; one that waits for somebody
# else (suspended) takes little time.
WORK = {
    "danger": 3.0,
    "utilities": 1.5,
    "consultation": 0.5,
    "normal": 1.0,
    "complex": 3.0,
    "dispute": 2.5,
}
WAITING = 0.25


def weight(status: Status, clock_class: str) -> float:
    """What a ticket weighs on its owner's desk; nothing once it is over."""
    if status not in OPEN:
        return 0.0
    return WAITING if status is Status.SUSPENDED else WORK.get(clock_class, 1.0)


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


@dataclass(frozen=True)
class Candidate:
    """A member who might take the ticket. `load` is the weight (`WORK`) of open tickets."""

    id: int
    name: str
    role: Role
    level: Level
    node_name: str
    skills: frozenset[str]
    capacity: int
    load: float
    on_duty: bool
    last_assigned_at: dt.datetime | None = None
    is_party: bool = False
    returned: bool = False
    knows_case: bool = False
    # Off duty now, but there when the clock of an office-hours ticket starts to run.
    from_opening: dt.datetime | None = None

    @property
    def load_ratio(self) -> float:
        """Open load as a share of capacity; 1.0 is full."""
        return self.load / self.capacity if self.capacity > 0 else float("inf")


@dataclass(frozen=True)
class Need:
    """What the ticket asks for."""

    skill: str
    urgency: str = "normal"

    @property
    def danger(self) -> bool:
        """Danger reaches people off duty and over capacity too."""
        return self.urgency == "danger"


@dataclass(frozen=True)
class Rung:
    """One level on the way up, with the members who stand there."""

    level: Level
    node_id: int
    node_name: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Weights:
    """How much each reason counts; the score orders eligible members, lowest first."""

    skill: float = 1.0
    load: float = 1.0
    nearness: float = 0.3
    knows_case: float = 0.5
    breadth: float = 0.04  # per skill: who can do only this goes first, generalists stay free
    off_duty: float = 2.0  # only danger reaches people off duty, and those on duty come first


@dataclass(frozen=True)
class Decision:
    """The outcome: who, at which level and node, why, and why not the others."""

    member: Candidate
    level: Level
    node_id: int
    reason: str
    rejected: tuple[tuple[str, str], ...] = field(default=())


def _objection(member: Candidate, need: Need) -> str | None:
    """Why `member` may not take it, in Chinese; None when eligible."""
    if member.is_party:
        return "是当事人，需要回避"
    if member.returned:
        return "此前退过这张工单"
    if need.danger:
        return None
    if need.skill not in member.skills:
        return "技能不对口"
    if not member.on_duty:
        return "不在值班时间"
    if member.load_ratio >= 1:
        return f"手上工作量{member.load:g}，达到上限{member.capacity}"
    return None


def score(member: Candidate, need: Need, weights: Weights) -> float:
    """Lower is better: unskilled, loaded, far and off-duty members score high."""
    unskilled = 0.0 if need.skill in member.skills else 1.0
    return (
        weights.skill * unskilled
        + weights.load * member.load_ratio
        + weights.nearness * rank(member.level) / 4
        + weights.breadth * len(member.skills)
        + (0.0 if member.on_duty else weights.off_duty)
        - (weights.knows_case if member.knows_case else 0.0)
    )


def _order(member: Candidate, need: Need, weights: Weights) -> tuple[object, ...]:
    last = member.last_assigned_at or EPOCH
    return (round(score(member, need, weights), 6), last, member.id)


def _reason(member: Candidate, need: Need, rung: Rung, skipped: list[str]) -> str:
    parts = [f"{standing(rung.node_name, member.role)}{member.name}"]
    if skipped:
        parts.append(f"{'、'.join(skipped)}暂无合适人员，上升一级")
    if member.knows_case:
        parts.append("熟悉此事")
    if need.skill in member.skills:
        parts.append("技能对口")
    if member.from_opening is not None:
        opens = member.from_opening.astimezone(SHANGHAI)
        parts.append(f"{opens.month}月{opens.day}日{opens:%H:%M}上班后办理")
    elif member.on_duty:
        parts.append("正在值班")
    elif need.danger:
        parts.append("紧急情况不分班次")
    parts.append(f"手上工作量{member.load:g}/{member.capacity}，离居民最近")
    return "，".join(parts)


def decide(need: Need, rungs: Iterable[Rung], weights: Weights | None = None) -> Decision:
    """Pick the assignee; `rungs` climb from the start level to the street.

    Raises LookupError when even the street has nobody at all.
    """
    weights = weights or Weights()
    rejected: list[tuple[str, str]] = []
    skipped: list[str] = []
    last: Rung | None = None
    for rung in rungs:
        last = rung
        eligible = []
        for member in rung.candidates:
            objection = _objection(member, need)
            if objection:
                rejected.append((member.name, objection))
            else:
                eligible.append(member)
        if eligible:
            best = min(eligible, key=lambda m: _order(m, need, weights))
            passed = [(m.name, "可以接，但排序靠后") for m in eligible if m.id != best.id]
            return Decision(
                best,
                rung.level,
                rung.node_id,
                _reason(best, need, rung, skipped),
                tuple(rejected + passed),
            )
        skipped.append(LEVEL_NAMES[rung.level])
    return _duty_desk(need, last, rejected)


def _duty_desk(need: Need, rung: Rung | None, rejected: list[tuple[str, str]]) -> Decision:
    """The street always takes: duty desk first, those on duty first, never a party if avoidable."""
    if rung is None or not rung.candidates:
        raise LookupError("no member at the street: the organisation tree is incomplete")
    best = min(
        rung.candidates,
        key=lambda m: (
            m.is_party,
            m.role is not Role.STREET_DESK,
            not m.on_duty,
            m.load_ratio,
            m.id,
        ),
    )
    others = tuple(r for r in rejected if r[0] != best.name)
    what = "登记并转交上级（街道人员均需回避）" if best.is_party else "兜底受理"
    reason = f"各级暂无合适人员，由{standing(rung.node_name, best.role)}{best.name}{what}"
    return Decision(best, rung.level, rung.node_id, reason, others)


def on_duty(duty: list[dict], leave: list[dict], at: dt.datetime) -> bool:
    """Whether a roster covers `at`. No roster means always; shifts may cross midnight.

    `duty`: [{"days": [1..7], "start": "09:00", "end": "17:30"}]; `leave`: [{"from", "to"}], dates.
    """
    local = at.astimezone(SHANGHAI)
    today = local.date()
    for span in leave:
        if (
            dt.date.fromisoformat(str(span["from"]))
            <= today
            <= dt.date.fromisoformat(str(span["to"]))
        ):
            return False
    return not duty or any(_covers(shift, local) for shift in duty)


def _covers(shift: dict, local: dt.datetime) -> bool:
    start, end = (dt.time.fromisoformat(str(shift[k])) for k in ("start", "end"))
    days = set(shift.get("days", range(1, 8)))
    now, day = local.time(), local.isoweekday()
    if start < end:
        return day in days and start <= now < end
    yesterday = 7 if day == 1 else day - 1
    return (day in days and now >= start) or (yesterday in days and now < end)
