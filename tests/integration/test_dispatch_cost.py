"""Dispatch costs the same in a city as in a street: few queries, each of them by an index."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from bot.domain import levels
from bot.domain.status import Status
from bot.services import dispatching
from bot.store.models import Building, OrgNode, ServiceItem, Ticket
from tests.databases import Database
from tests.people import HOUR, MORNING, open_ticket, resident

LEAK = "housing/leak_repair"


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
        ticket = imagined(session, sqlite_database, LEAK)

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


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["climb", "suspend", "resolve", "complex", "flush"])
    ),
    max_size=12,
)


def test_what_a_session_has_not_written_counts_as_if_it_were_written(
    sqlite_database: Database,
):
    """`place` writes nothing at once: the next choice still sees what each now has to do."""
    database = sqlite_database
    numbers = [
        open_ticket(database, resident(database, f"r{n}"), item=item).number
        for n, item in enumerate((LEAK, LEAK, "dispute/neighbour_leak", "elderly_care/elder_meal"))
    ]

    @settings(max_examples=60, deadline=None)
    @given(CHANGES)
    def check(changes: list[tuple[int, str]]) -> None:
        with database.factory() as session, session.no_autoflush:
            tickets = session.scalars(select(Ticket).order_by(Ticket.id)).all()
            assert [t.number for t in tickets] == numbers
            for which, change in changes:
                ticket = tickets[which]
                if change == "climb" and ticket.level != "street":
                    higher = levels.above(levels.Level(ticket.level))
                    dispatching.assign(session, ticket, higher, MORNING + HOUR)
                elif change == "suspend":
                    ticket.status = Status.SUSPENDED.value
                elif change == "resolve":
                    ticket.status = Status.RESOLVED.value
                elif change == "complex":
                    ticket.clock_class = "complex"
                else:
                    session.flush()
            before = everybody(session, tickets[0])
            session.flush()
            assert everybody(session, tickets[0]) == before
            session.rollback()

    check()


def everybody(session: Any, ticket: Ticket) -> list[Any]:
    """All members who might take a ticket, as the choice sees them."""
    history: dict[str, set[int]] = {"returned": set(), "knows": set()}
    nodes = session.scalars(select(OrgNode).order_by(OrgNode.id)).all()
    return [
        candidate
        for node in nodes
        for candidate in dispatching.candidates(session, node, ticket, MORNING + HOUR, history)
    ]
