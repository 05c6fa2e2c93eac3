"""The staff's side of a scripted conversation, through the same services that the desk calls.

`do(case, step, value)` carries out one step on a ticket; who acts is whoever may: the assignee, the
nearest dispatcher or superior who had no part in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from bot.domain.status import Actor
from bot.services import (
    double_reporting,
    ladder,
    merging,
    oversight,
    staff_steps,
    suspension,
    whistle,
)
from bot.services.clock import now
from bot.services.lifecycle import actors
from bot.store import appeals
from bot.store.models import Member, Ticket, TicketEvent
from bot.store.models_life import CoTask, Errand


@dataclass(frozen=True)
class Case:
    """The ticket that a step is about, and the tickets of the other residents in the script."""

    factory: sessionmaker
    ticket: Ticket | None
    others: Sequence[str] = ()

    @property
    def number(self) -> str:
        """Number of the ticket."""
        assert self.ticket is not None, "nobody has filed anything yet"
        return str(self.ticket.number)

    def assignee(self) -> int:
        """Who has the ticket now."""
        with self.factory() as session:
            query = select(Ticket.assignee_id).where(Ticket.number == self.number)
            found = session.scalars(query).one()
        assert found is not None, f"nobody has {self.number}"
        return int(found)

    def one_who_is(self, actor: Actor) -> int:
        """The nearest member who acts on the ticket as this, and is not on it or has declined it.

        Without a ticket: a community's secretary, who may post a wish.
        """
        with self.factory() as session:
            members = session.scalars(select(Member).where(Member.active)).all()
            if self.ticket is None:
                return next(m.id for m in members if m.role == "community_secretary")
            ticket = session.get(Ticket, self.ticket.id)
            acted = set(
                session.scalars(
                    select(TicketEvent.actor_id).where(
                        TicketEvent.ticket_id == ticket.id, TicketEvent.actor_kind == "member"
                    )
                )
            )
            able = [m for m in members if actor in actors(session, ticket, m)]
            free = [m for m in able if m.id not in {*acted, ticket.assignee_id}]
            return max(free or able, key=lambda m: len(m.node.path)).id


def do(case: Case, step: str, value: Any = None) -> None:
    """Carry out one step of a script."""
    STEPS[step](case, value)


def _accept(case: Case, _value: Any) -> None:
    staff_steps.accept(case.factory, case.number, case.assignee(), now())


def _start(case: Case, words: Any) -> None:
    _accept(case, None)
    staff_steps.contact(case.factory, case.number, case.assignee(), words or "已联系居民", now())


def _resolve(case: Case, words: Any) -> None:
    """From wherever it stands to the end."""
    with case.factory() as session:
        status = session.scalars(select(Ticket.status).where(Ticket.number == case.number)).one()
    if status == "dispatched":
        _start(case, None)
    elif status == "reopened":
        staff_steps.contact(case.factory, case.number, case.assignee(), "再次上门", now())
    staff_steps.resolve(case.factory, case.number, case.assignee(), words or "已换水管", now())


def _note(case: Case, words: Any) -> None:
    staff_steps.add_note(case.factory, case.number, case.assignee(), words, now())


def _reject(case: Case, why: Any) -> None:
    staff_steps.reject(case.factory, case.number, case.one_who_is(Actor.DISPATCHER), why, now())


def _merge(case: Case, _value: Any) -> None:
    who = case.one_who_is(Actor.DISPATCHER)
    merging.merge(case.factory, case.number, case.others, who, "", now())


def _decide(case: Case, grant: bool, why: Any) -> None:
    with case.factory() as session:
        members = session.scalars(select(Member).where(Member.active)).all()
        ticket = session.get(Ticket, case.ticket.id if case.ticket else None)
        lead = next(m.id for m in members if appeals.decides(session, ticket, m))
    oversight.decide_appeal(case.factory, case.number, lead, grant, why, now())


def _suspend(case: Case, why: Any) -> None:
    who, lead = case.assignee(), case.one_who_is(Actor.SUPERIOR)
    suspension.ask(case.factory, case.number, who, why, now(), waiting_for="resident")
    suspension.decide(case.factory, case.number, lead, True, now())


def _return(case: Case, why: Any) -> None:
    staff_steps.return_ticket(case.factory, case.number, case.assignee(), why, now())


def _dispatch(case: Case, key: Any) -> None:
    who = case.one_who_is(Actor.DISPATCHER)
    staff_steps.dispatch_to(case.factory, case.number, who, key, now())


def _whistle(case: Case, departments: Any) -> None:
    who = case.one_who_is(Actor.DISPATCHER)
    whistle.whistle(case.factory, case.number, who, departments, "一起到现场看", now())


def _co_handle(case: Case, words: Any) -> None:
    with case.factory() as session:
        query = select(CoTask.member_id).join(Ticket).where(Ticket.number == case.number)
        members = session.scalars(query).all()
    for member in members:
        whistle.check_in(case.factory, case.number, member, now())
        whistle.finish(case.factory, case.number, member, words, now())


def _nobody(case: Case, until: Any) -> None:
    """Nobody takes it, and its moments pass until this is so: a level reached, or supervised."""
    while True:
        with case.factory.begin() as session:
            ticket = session.scalars(select(Ticket).where(Ticket.number == case.number)).one()
            if ticket.supervised if until == "supervised" else ticket.level == until:
                return
            ladder.check(session, ticket, ticket.next_check_at)


def _wish(case: Case, title: Any) -> None:
    wanted = now() + dt.timedelta(days=1)
    lead = case.one_who_is(Actor.SUPERIOR)
    double_reporting.post(case.factory, lead, title, "repair", wanted, now())


def _confirm(case: Case, minutes: Any) -> None:
    with case.factory() as session:
        errand = session.scalars(select(Errand).order_by(Errand.id.desc())).first()
    double_reporting.confirm(case.factory, errand.id, errand.posted_by_id, minutes, now())


STEPS: dict[str, Callable[[Case, Any], None]] = {
    "accept": _accept,
    "start": _start,
    "note": _note,
    "resolve": _resolve,
    "reject": _reject,
    "merge": _merge,
    "grant": lambda case, why: _decide(case, True, why),
    "deny": lambda case, why: _decide(case, False, why),
    "suspend": _suspend,
    "return": _return,
    "dispatch": _dispatch,
    "whistle": _whistle,
    "co_handle": _co_handle,
    "nobody": _nobody,
    "wish": _wish,
    "confirm": _confirm,
}
