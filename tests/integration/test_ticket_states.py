"""Any sequence of steps by anybody keeps the promises of a ticket's life.

Hypothesis plays residents, assignees, leads, dispatchers, departments, outsiders and the clock
against the services; after each step the ticket is looked at as a whole.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from bot.domain.errors import LinliError
from bot.domain.status import RULES, Status, Step
from bot.services import ladder, resident_steps, staff_steps, suspension, whistle
from bot.services.reclassifying import reclassify
from bot.store.models import Ticket, TicketEvent
from tests.databases import connect
from tests.people import MORNING, open_ticket, resident

STAFF = (
    "wang_xiulan", "fang_wenbin", "wang_haiyan", "yang_jie", "liu_fang", "zhao_lei", "sun_yue",
    "zhou_min", "ma_jun", "chen_zhiyuan", "huang_wei",
)  # fmt: skip
OUTSIDER = "huang_wei"  # leads a grid of the other community
ITEMS = ("housing/leak_repair", "dispute/neighbour_leak", "elderly_care/meal_help", "nonsense")
members = st.sampled_from(STAFF)
LEGAL = {
    (r.step.value, source.value, (r.target or source).value) for r in RULES for source in r.sources
}


class TicketLife(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="linli-states-"))
        shutil.copy(self.template, self.folder / "db")
        self.db = connect("sqlite", f"sqlite:///{self.folder / 'db'}")
        self.now = MORNING
        self.me = resident(self.db)
        self.other = resident(self.db, "other")
        self.number = open_ticket(self.db, self.me).number
        self.version, self.events = 0, 0

    def teardown(self) -> None:
        self.db.engine.dispose()
        shutil.rmtree(self.folder)

    def attempt(self, step: Any, *args: Any, **more: Any) -> bool:
        """Try a step; a refusal is a Chinese sentence and changes nothing."""
        before = self.ticket().version
        try:
            step(self.db.factory, self.number, *args, **more)
        except LinliError as error:
            assert error.text
            assert self.ticket().version == before
            return False
        return True

    def ticket(self) -> Ticket:
        with self.db.factory() as session:
            return session.scalars(select(Ticket).where(Ticket.number == self.number)).one()

    def who(self, key: str, really: bool) -> int:
        """The assignee most of the time, so that steps succeed; otherwise anybody."""
        holder = self.ticket().assignee_id
        return holder if really and holder else self.db.member_id(key)

    @rule(key=members, really=st.booleans())
    def accept(self, key: str, really: bool) -> None:
        self.attempt(staff_steps.accept, self.who(key, really), self.now)

    @rule(key=members, really=st.booleans())
    def contact(self, key: str, really: bool) -> None:
        self.attempt(staff_steps.contact, self.who(key, really), "已联系", self.now)

    @rule(key=members, really=st.booleans())
    def give_back(self, key: str, really: bool) -> None:
        self.attempt(staff_steps.return_ticket, self.who(key, really), "不归我管", self.now)

    @rule(key=members, to=members, really=st.booleans())
    def transfer(self, key: str, to: str, really: bool) -> None:
        self.attempt(staff_steps.transfer, self.who(key, really), to, "转", self.now)

    @rule(key=members, to=members)
    def dispatch(self, key: str, to: str) -> None:
        self.attempt(staff_steps.dispatch_to, self.db.member_id(key), to, self.now)

    @rule(key=members, really=st.booleans())
    def escalate(self, key: str, really: bool) -> None:
        self.attempt(staff_steps.escalate, self.who(key, really), "办不了", self.now)

    @rule(key=members, really=st.booleans())
    def resolve(self, key: str, really: bool) -> None:
        self.attempt(staff_steps.resolve, self.who(key, really), "修好了", self.now)

    @rule(key=members)
    def reject(self, key: str) -> None:
        self.attempt(staff_steps.reject, self.db.member_id(key), "不属于本街道", self.now)

    @rule(key=members, really=st.booleans())
    def ask_to_pause(self, key: str, really: bool) -> None:
        self.attempt(
            suspension.ask, self.who(key, really), "等配件", self.now, waiting_for="third_party"
        )

    @rule(key=members, approve=st.booleans())
    def decide_pause(self, key: str, approve: bool) -> None:
        by = self.db.member_id(key)
        own = by == self.ticket().assignee_id
        if self.attempt(suspension.decide, by, approve, self.now, "理由"):
            assert not own

    @rule(key=members, really=st.booleans())
    def resume(self, key: str, really: bool) -> None:
        self.attempt(staff_steps.resume, self.who(key, really), self.now)

    @rule(key=members, really=st.booleans(), item=st.sampled_from(ITEMS))
    def reclassify(self, key: str, really: bool, item: str) -> None:
        confidential = self.ticket().private
        if self.attempt(reclassify, self.who(key, really), item, self.now):
            assert self.ticket().item_key == item
        assert self.ticket().private >= confidential

    @rule(key=members)
    def call_department(self, key: str) -> None:
        self.attempt(whistle.whistle, self.db.member_id(key), ["zhujian"], "现场看看", self.now)

    @rule()
    def department_finishes(self) -> None:
        with self.db.factory() as session:
            ticket = session.scalars(select(Ticket).where(Ticket.number == self.number)).one()
            tasks = [t.member_id for t in whistle.open_tasks(session, ticket)]
        for member_id in tasks:
            self.attempt(whistle.check_in, member_id, self.now)
            self.attempt(whistle.finish, member_id, "看过了", self.now)

    @rule(mine=st.booleans())
    def withdraw(self, mine: bool) -> None:
        if self.attempt(resident_steps.withdraw, self.me if mine else self.other, "", self.now):
            assert mine

    @rule(solved=st.sampled_from([True, False, None]), stars=st.integers(0, 6))
    def rate(self, solved: bool | None, stars: int) -> None:
        if self.attempt(resident_steps.rate, self.me, self.now, stars=stars, solved=solved):
            assert 1 <= stars <= 5

    @rule()
    def reopen(self) -> None:
        self.attempt(resident_steps.reopen, self.me, "没好", self.now)

    @rule()
    def ask_for_the_next_level(self) -> None:
        self.attempt(resident_steps.escalate_by_resident, self.me, "没人理", self.now)

    @rule(hours=st.sampled_from([1, 5, 24, 72, 24 * 8]))
    def time_passes(self, hours: int) -> None:
        self.now += dt.timedelta(hours=hours)
        ladder.sweep(self.db.factory, self.now)
        again = ladder.sweep(self.db.factory, self.now)
        assert again == 0  # what was due has been done

    @invariant()
    def every_change_is_in_the_table_and_on_record(self) -> None:
        with self.db.factory() as session:
            ticket = session.scalars(select(Ticket).where(Ticket.number == self.number)).one()
            events = session.scalars(
                select(TicketEvent).where(TicketEvent.ticket_id == ticket.id)
                .order_by(TicketEvent.id)
            ).all()  # fmt: skip
        assert len(events) >= self.events
        self.events = len(events)
        moved = [e for e in events if e.from_status]
        for event in moved:
            assert (event.kind, event.from_status, event.to_status) in LEGAL
        for one, following in pairwise(moved):
            assert self._follows(one, following)
        assert moved[-1].to_status == ticket.status

    @staticmethod
    def _follows(one: TicketEvent, following: TicketEvent) -> bool:
        """Escalation and return dispatch in the same breath, so their target may be passed."""
        return one.to_status == following.from_status or one.kind == Step.ESCALATE.value

    @invariant()
    def somebody_answers_for_it(self) -> None:
        ticket = self.ticket()
        status = Status(ticket.status)
        if status is Status.RETURNED:
            assert ticket.locked
        elif status is not Status.WITHDRAWN:
            assert ticket.assignee_id is not None
        assert ticket.assignee_id != self.db.member_id(OUTSIDER)

    @invariant()
    def open_tickets_are_looked_at_again(self) -> None:
        ticket = self.ticket()
        if Status(ticket.status) in {Status.DISPATCHED, Status.RETURNED, Status.SUSPENDED}:
            assert ticket.next_check_at is not None
        assert (ticket.suspended_at is not None) == (ticket.status == Status.SUSPENDED.value)

    @invariant()
    def closed_means_rated_or_counted_apart(self) -> None:
        ticket = self.ticket()
        if ticket.status == Status.CLOSED.value:
            assert ticket.closed_how in {"rated", "unrated", "call_back"}
            assert (ticket.closed_how == "rated") == (ticket.rated_at is not None)


def test_any_sequence_of_steps_keeps_the_promises(sqlite_template: Path):
    class Life(TicketLife):
        template = sqlite_template

    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
