"""Dispatch costs the same in a city as in a street: few queries, each of them by an index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from bot.services import dispatching
from bot.store.models import Building, ServiceItem, Ticket
from tests.databases import Database
from tests.people import MORNING


def imagined(session: Any, database: Database, item: str) -> Ticket:
    building = session.get(Building, database.building_id("xingfuli_3"))
    return Ticket(
        item=session.get(ServiceItem, item),
        building=building,
        building_id=building.id,
        urgency="normal",
        clock_class="normal",
        private=False,
    )


def test_a_dispatch_reads_by_index_and_asks_once_a_level(sqlite_database: Database):
    seen: list[tuple[str, Any]] = []
    with sqlite_database.factory() as session:
        ticket = imagined(session, sqlite_database, "housing/leak_repair")

        @event.listens_for(sqlite_database.engine, "before_cursor_execute")
        def note(_connection, _cursor, statement, parameters, _context, _many):
            seen.append((statement, parameters))

        with session.no_autoflush:
            ticket.origin = dispatching.origin(session, ticket.building)
            start = dispatching.start_level("building_group", "normal")
            decision = dispatching.choose(session, ticket, start, MORNING)
        event.remove(sqlite_database.engine, "before_cursor_execute", note)
        assert decision.level.value == "building_group"
        assert len(seen) == 2  # the way up the tree, and the members of one level
        for statement, parameters in seen:
            plan = session.connection().exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", parameters
            )
            steps = [row[3] for row in plan]
            assert not [s for s in steps if s.startswith("SCAN") and "ticket" in s]
            assert not [s for s in steps if s.startswith("SCAN") and "member" in s], steps
            assert not [s for s in steps if s.startswith("SCAN") and "org_node" in s], steps
