"""A year of one street, dispatched by our rules and by three common ones, in the same run.

`make bench-dispatch` writes bench/results/dispatch.json. Every policy sees the same people, leave,
matters, efforts and refusals, and the same rules on who may take what: in scope, with the skill,
on duty, not a party, not someone who gave it back. What differs is only whom they choose:

- ours: bot.domain.dispatch, the code that runs in production;
- round_robin: turns in the grid, skipping those who are full;
- least_loaded: fewest open tickets in the grid;
- random: anyone in the grid.

Where nobody qualifies, each goes up to the community and then to the street.
"""

from __future__ import annotations

import argparse
import datetime as dt
import heapq
import json
import random
import statistics
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.community import load_community
from bot.domain import sla
from bot.domain.dispatch import WORK, Candidate, Need, Rung, decide
from bot.domain.levels import LEVELS, Level, Role, rank
from bot.domain.worktime import SHANGHAI
from bot.services.clock import CALENDAR
from bot.settings import ROOT

START = dt.datetime(2025, 1, 1, tzinfo=SHANGHAI)
HOURS = 365 * 24
LOOKAHEAD = 24 * 60  # duty is known beyond the year's end, so that late tickets finish
RESIDENTS = 100_000
GRIDS, GRIDS_PER_COMMUNITY = 200, 10
TICKETS_PER_RESIDENT = 0.6
REFUSAL = 0.04

# How many of each role, and what share of a duty hour is left for tickets: heads of buildings are
# volunteers, and grid staff have visits, patrols and paper work too.
STAFF: dict[Role, tuple[str, int, float]] = {
    Role.BUILDING_HEAD: ("building", 1, 0.03),
    Role.PARTY_HOUSEHOLD: ("building", 1, 0.03),
    Role.GRID_LEAD: ("grid", 1, 0.08),
    Role.GRID_MEMBER: ("grid", 2, 0.12),
    Role.COMMUNITY_SECRETARY: ("community", 1, 0.08),
    Role.DISPATCHER: ("community", 3, 0.25),
    Role.STREET_SECRETARY: ("street", 1, 0.05),
    Role.STREET_DESK: ("street", 19, 0.35),
}
EFFORT = {  # mean hours of work
    "danger": 1.5, "utilities": 1.2, "consultation": 0.3, "normal": 1.5, "complex": 5.0,
    "dispute": 4.0,
}  # fmt: skip
# Small matters are the most: 小事 at the buildings, few go straight to the street.
COMMON = {"building_group": 6.0, "grid": 3.0, "community": 1.0, "street": 0.3}
BY_HOUR = (1, 1, 1, 1, 1, 2, 4, 7, 10, 11, 10, 9, 6, 6, 8, 9, 9, 8, 9, 10, 9, 7, 4, 2)
Node = tuple[str, int]


def moment(hours: float) -> dt.datetime:
    return START + dt.timedelta(hours=hours)


def hours(at: dt.datetime) -> float:
    return (at - START).total_seconds() / 3600


@dataclass
class Person:
    id: int
    name: str
    role: Role
    level: Level
    node: Node
    skills: frozenset[str]
    capacity: int
    share: float
    starts: list[float]
    ends: list[float]
    open: dict[int, float] = field(default_factory=dict)
    queue: list[Any] = field(default_factory=list)
    busy: bool = False
    last: float = -1.0
    given: float = 0.0  # hours of work over the year

    def on_duty(self, at: float) -> bool:
        spot = bisect_right(self.starts, at) - 1
        return spot >= 0 and at < self.ends[spot]

    def next_duty(self, at: float) -> float:
        if self.on_duty(at):
            return at
        spot = bisect_right(self.starts, at)
        return self.starts[spot] if spot < len(self.starts) else float("inf")

    def finish(self, at: float, effort: float) -> float:
        """When `effort` hours of ticket work that begin at `at` are done."""
        left, spot = effort / self.share, max(bisect_right(self.starts, at) - 1, 0)
        while spot < len(self.starts):
            begin = max(self.starts[spot], at)
            room = self.ends[spot] - begin
            if room >= left > 0:
                return begin + left
            left -= max(room, 0)
            spot += 1
        return float("inf")

    @property
    def load(self) -> float:
        return sum(self.open.values())

    @property
    def year(self) -> float:
        """Hours the person can give to tickets in the year."""
        pairs = zip(self.starts, self.ends, strict=True)
        return self.share * sum(e - s for s, e in pairs if s < HOURS)


@dataclass(frozen=True)
class Matter:
    id: int
    at: float
    grid: int
    group: int
    skill: str
    start: Level
    clock: str
    urgency: str
    effort: float
    parties: frozenset[int]
    contact_due: float
    resolve_due: float


@dataclass
class Case:
    """What becomes of a matter under one policy."""

    matter: Matter
    level: Level = Level.GRID
    holder: int = -1
    moves: int = 0
    returned: set[int] = field(default_factory=set)
    contacted: float = float("inf")
    resolved: float = float("inf")


# --- the street ----------------------------------------------------------------------------


def windows(
    shifts: list[dict[str, Any]], leave: list[tuple[int, int]]
) -> tuple[list[float], list[float]]:
    """Duty of the year and a bit more, as merged hours, without days of leave."""
    spans = []
    for day in range(-1, (HOURS + LOOKAHEAD) // 24):
        if any(a <= day <= b for a, b in leave):
            continue
        weekday = moment(day * 24).isoweekday()
        for shift in shifts:
            if weekday in shift["days"]:
                begin, end = shift["begin"], shift["end"]
                spans.append((day * 24 + begin, day * 24 + (end if end > begin else end + 24)))
    merged: list[list[float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return [m[0] for m in merged], [m[1] for m in merged]


def clock_hours(text: str) -> float:
    hour, minute = text.split(":")
    return int(hour) + int(minute) / 60


class Street:
    """People and matters; the same for every policy."""

    def __init__(self, seed: int, scale: float) -> None:
        self.random, self.scale = random.Random(seed), scale
        self.community = load_community(ROOT / "community.yml")
        self.grids = max(int(GRIDS * scale), GRIDS_PER_COMMUNITY)
        self.people: list[Person] = []
        self.at: dict[Node, list[int]] = {}
        self._staff()
        self.matters = sorted(self._matters(int(RESIDENTS * TICKETS_PER_RESIDENT * scale)),
                              key=lambda m: m.at)  # fmt: skip

    def _nodes(self, level: str) -> list[Node]:
        communities = self.grids // GRIDS_PER_COMMUNITY
        counts = {
            "building": 2 * self.grids, "grid": self.grids, "community": communities, "street": 1,
        }  # fmt: skip
        return [(level, n) for n in range(counts[level])]

    def _staff(self) -> None:
        """Skills, shifts and capacity are those of the sample community's members of the role."""
        samples: dict[Role, list[Any]] = {}
        for member in self.community.members:
            samples.setdefault(member.role, []).append(member)
        for role, (level, count, share) in STAFF.items():
            for node in self._nodes(level):
                for _ in range(max(int(count * self.scale), 1) if level == "street" else count):
                    self._person(role, node, self.random.choice(samples[role]), share)

    def _person(self, role: Role, node: Node, sample: Any, share: float) -> None:
        shifts = [
            {"days": shift.days, "begin": clock_hours(a), "end": clock_hours(b)}
            for name in sample.duty
            for shift in [self.community.calendar.shifts[name]]
            for a, _, b in [span.partition("-") for span in shift.hours]
        ]
        leave = []
        for _ in range(self.random.randint(1, 4)):
            first = self.random.randrange(365)
            leave.append((first, first + self.random.randint(0, 9)))
        level = Level.BUILDING_GROUP if node[0] == "building" else Level(node[0])
        person = Person(
            len(self.people), f"{sample.name}{len(self.people)}", role, level, node,
            frozenset(sample.skills), sample.capacity, share, *windows(shifts, leave),
        )  # fmt: skip
        self.people.append(person)
        self.at.setdefault(node, []).append(person.id)

    def _matters(self, count: int) -> Iterator[Matter]:
        rng = self.random
        items = [item for _, item in self.community.service_items()]
        popularity = [
            COMMON[item.start_level] / (n + 1) ** 0.5
            for item, n in zip(items, rng.sample(range(len(items)), len(items)), strict=True)
        ]
        crowd = [rng.lognormvariate(0, 0.7) for _ in range(self.grids)]
        days = [self._day_weight(day) for day in range(365)]
        for number in range(count):
            day = rng.choices(range(365), days)[0]
            at = day * 24 + rng.choices(range(24), BY_HOUR)[0] + rng.random()
            item = rng.choices(items, popularity)[0]
            grid = rng.choices(range(self.grids), crowd)[0]
            yield self._matter(number, at, grid, item)

    def _day_weight(self, day: int) -> float:
        """Mondays and winters are busy, weekends quiet, and ten storms a year are triple."""
        weekday, month = moment(day * 24).isoweekday(), moment(day * 24).month
        weight = {1: 1.4, 6: 0.6, 7: 0.5}.get(weekday, 1.0)
        weight *= 1.3 if month in {12, 1, 2} else 1.0
        return weight * (3.0 if self.random.random() < 10 / 365 else 1.0)

    def _matter(self, number: int, at: float, grid: int, item: Any) -> Matter:
        rng = self.random
        clock = "danger" if item.urgency == "danger" else item.clock_class
        due = sla.deadlines(clock, moment(at), CALENDAR)
        group = 2 * grid + rng.randrange(2)
        near = self.at[("building", group)]
        parties = {p for p in near if item.private and rng.random() < 0.3}
        start = Level(item.start_level)
        if item.urgency != "normal":
            start = max(start, Level.GRID, key=LEVELS.index)
        effort = EFFORT[clock] * rng.lognormvariate(-0.32, 0.8)
        return Matter(
            number, at, grid, group, item.skill, start, clock, item.urgency, min(effort, 40.0),
            frozenset(parties), hours(due.contact), hours(due.resolve),
        )  # fmt: skip

    def chain(self, matter: Matter) -> list[tuple[Level, Node]]:
        """Nodes above a place, nearest first."""
        return [
            (Level.BUILDING_GROUP, ("building", matter.group)),
            (Level.GRID, ("grid", matter.grid)),
            (Level.COMMUNITY, ("community", matter.grid // GRIDS_PER_COMMUNITY)),
            (Level.STREET, ("street", 0)),
        ]


# --- policies ------------------------------------------------------------------------------

Policy = Callable[["Year", Case, Level, float], tuple[int, Level]]


def available(year: Year, person: Person, at: float) -> bool:
    """On duty now, or when the office opens, which is when an ordinary clock starts to run."""
    return person.on_duty(at) or (year.opens is not None and person.on_duty(year.opens))


def candidate(year: Year, person: Person, case: Case, at: float) -> Candidate:
    return Candidate(
        id=person.id, name=person.name, role=person.role, level=person.level,
        node_name=person.node[0], skills=person.skills, capacity=person.capacity,
        load=person.load, on_duty=available(year, person, at),
        last_assigned_at=moment(person.last) if person.last >= 0 else None,
        is_party=person.id in case.matter.parties, returned=person.id in case.returned,
    )  # fmt: skip


def ours(year: Year, case: Case, start: Level, at: float) -> tuple[int, Level]:
    rungs = (
        Rung(level, 0, node[0], tuple(
            candidate(year, year.people[p], case, at) for p in year.street.at.get(node, [])
        ))
        for level, node in year.street.chain(case.matter)
        if rank(level) >= rank(start)
    )  # fmt: skip
    decision = decide(Need(case.matter.skill, case.matter.urgency), rungs)
    return decision.member.id, decision.level


def eligible(year: Year, person: Person, case: Case, at: float) -> bool:
    if person.id in case.matter.parties or person.id in case.returned:
        return False
    if case.matter.urgency == "danger":
        return True
    return case.matter.skill in person.skills and available(year, person, at)


def pooled(pick: Callable[[Year, list[Person], Node], Person | None]) -> Policy:
    """A policy that chooses in the whole grid (its buildings too), then goes up."""

    def choose(year: Year, case: Case, start: Level, at: float) -> tuple[int, Level]:
        chain = year.street.chain(case.matter)
        pools = [[chain[0], chain[1]], [chain[2]], [chain[3]]]
        for pool in pools:
            if rank(pool[-1][0]) < rank(start):
                continue
            nodes = [node for level, node in pool if rank(level) >= rank(start)]
            people = [year.people[p] for node in nodes for p in year.street.at.get(node, [])]
            found = pick(year, [p for p in people if eligible(year, p, case, at)], pool[-1][1])
            if found is not None:
                return found.id, found.level
        desk = [year.people[p] for p in year.street.at[("street", 0)]]
        best = min(desk, key=lambda p: (p.role is not Role.STREET_DESK, not p.on_duty(at), p.load))
        return best.id, Level.STREET

    return choose


def take_turns(year: Year, people: list[Person], node: Node) -> Person | None:
    free = [p for p in people if len(p.open) < p.capacity]
    if not free:
        return None
    last = year.turn.get(node, -1)
    chosen = min(free, key=lambda p: (p.id <= last, p.id))
    year.turn[node] = chosen.id
    return chosen


def fewest_open(year: Year, people: list[Person], node: Node) -> Person | None:
    return min(people, key=lambda p: (len(p.open), p.id), default=None)


def anyone(year: Year, people: list[Person], node: Node) -> Person | None:
    return year.random.choice(people) if people else None


POLICIES: dict[str, Policy] = {
    "ours": ours,
    "round_robin": pooled(take_turns),
    "least_loaded": pooled(fewest_open),
    "random": pooled(anyone),
}


# --- the year ------------------------------------------------------------------------------


class Year:
    """One run of the street under one policy: an event queue and the people's desks."""

    def __init__(self, street: Street, policy: Policy, seed: int) -> None:
        self.street, self.policy = street, policy
        self.random = random.Random(seed)
        self.people = [
            Person(p.id, p.name, p.role, p.level, p.node, p.skills, p.capacity, p.share,
                   p.starts, p.ends)
            for p in street.people
        ]  # fmt: skip
        self.turn: dict[Node, int] = {}
        self.cases = [Case(m) for m in street.matters]
        self.events: list[tuple[float, int, Callable[[Case, float], None], Case]] = []
        self.number = 0
        self.opens: float | None = None  # of the ticket that is being assigned

    def later(self, at: float, what: Callable[[Case, float], None], case: Case) -> None:
        if at < float("inf"):
            self.number += 1
            heapq.heappush(self.events, (at, self.number, what, case))

    def run(self) -> list[Case]:
        for case in self.cases:
            self.later(case.matter.at, self.arrive, case)
        while self.events:
            at, _, what, case = heapq.heappop(self.events)
            what(case, at)
        return self.cases

    def arrive(self, case: Case, at: float) -> None:
        self.assign(case, case.matter.start, at)

    def assign(self, case: Case, start: Level, at: float) -> None:
        waits = not sla.CLOCKS[case.matter.clock].all_hours and not CALENDAR.is_open(moment(at))
        self.opens = hours(CALENDAR.opening(moment(at))) if waits else None
        holder, case.level = self.policy(self, case, start, at)
        case.holder, case.moves = holder, case.moves + 1
        person = self.people[holder]
        person.open[case.matter.id], person.last = WORK[case.matter.clock], at
        due = hours(sla.accept_by(case.matter.clock, case.level, moment(at), CALENDAR))
        luck = self._luck(case)
        if case.matter.clock == "danger":  # telephoned, also at home
            looks = at + 0.1 * luck.expovariate(1.0)
        else:
            looks = person.next_duty(at + luck.expovariate(4.0) * (1 + len(person.open) / 4))
        if looks > due and case.level is not Level.STREET:
            self.later(due, self.climb, case)
        else:
            self.later(looks, self.look, case)

    def _luck(self, case: Case) -> random.Random:
        """Delays and refusals depend on the matter and the move, not on the policy's history."""
        return random.Random(case.matter.id * 31 + case.moves)

    def climb(self, case: Case, at: float) -> None:
        del self.people[case.holder].open[case.matter.id]
        self.assign(case, LEVELS[LEVELS.index(case.level) + 1], at)

    def look(self, case: Case, at: float) -> None:
        person, luck = self.people[case.holder], self._luck(case)
        luck.random()
        if case.level is not Level.STREET and luck.random() < REFUSAL:
            del person.open[case.matter.id]
            case.returned.add(person.id)
            level = Level.COMMUNITY if len(case.returned) > 1 else case.level
            self.assign(case, max(level, case.level, key=LEVELS.index), at)
            return
        person.given += case.matter.effort
        called = at + luck.expovariate(3.0) * (1 + len(person.open) / 3)
        urgent = case.matter.clock == "danger"
        case.contacted = at + 0.1 if urgent else person.next_duty(called)
        if urgent:  # dropped everything
            self.later(at + case.matter.effort, self.done, case)
            return
        heapq.heappush(person.queue, (case.matter.resolve_due, case.matter.id, case))
        self.work(person, at)

    def work(self, person: Person, at: float) -> None:
        if person.busy or not person.queue:
            return
        _, _, case = heapq.heappop(person.queue)
        person.busy = True
        self.later(person.finish(at, case.matter.effort), self.free, case)

    def free(self, case: Case, at: float) -> None:
        person = self.people[case.holder]
        person.busy = False
        self.done(case, at)
        self.work(person, at)

    def done(self, case: Case, at: float) -> None:
        case.resolved = at
        self.people[case.holder].open.pop(case.matter.id, None)


# --- figures -------------------------------------------------------------------------------


def gini(values: list[float]) -> float:
    ordered, total = sorted(values), sum(values)
    if total == 0:
        return 0.0
    ranked = sum((2 * n - len(ordered) - 1) * v for n, v in enumerate(ordered, 1))
    return ranked / (len(ordered) * total)


def figures(year: Year) -> dict[str, float]:
    cases = year.cases
    waits = sorted(c.contacted - c.matter.at for c in cases)
    near = sum(c.level in {Level.BUILDING_GROUP, Level.GRID} for c in cases)
    late = [c.contacted > c.matter.contact_due or c.resolved > c.matter.resolve_due for c in cases]
    use = [p.given / p.year for p in year.people if p.year]
    return {
        "sla_met": round(1 - sum(late) / len(cases), 4),
        "contact_on_time": round(
            sum(c.contacted <= c.matter.contact_due for c in cases) / len(cases), 4
        ),
        "solved_at_grid": round(near / len(cases), 4),
        "wait_median_h": round(statistics.median(waits), 2),
        "wait_p95_h": round(waits[int(len(waits) * 0.95)], 2),
        "load_gini": round(gini(use), 4),
        "load_max_to_median": round(max(use) / statistics.median(use), 2),
        "moves_per_ticket": round(statistics.mean(c.moves for c in cases), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is a street of 100,000")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/results/dispatch.json")
    args = parser.parse_args()
    began = time.monotonic()
    street = Street(args.seed, args.scale)
    print(f"{len(street.people)} members, {street.grids} grids, {len(street.matters)} tickets")
    table = {}
    for name, policy in POLICIES.items():
        year = Year(street, policy, args.seed)
        year.run()
        table[name] = figures(year)
        print(f"{name:13}", json.dumps(table[name]))
    result = {
        "residents": int(RESIDENTS * args.scale),
        "grids": street.grids,
        "members": len(street.people),
        "tickets": len(street.matters),
        "seed": args.seed,
        "seconds": round(time.monotonic() - began, 1),
        "policies": table,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
