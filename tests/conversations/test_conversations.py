"""Scripted conversations through real Rasa and real actions.

Each document of the YAML files is one conversation. A turn is `say` (or `tap`, which looks for a
button of the last answer), and what must come back: `hears` / `never` (parts of the texts), `card`
(parts of the rows by name), `buttons` (parts of titles). `staff: resolve` lets the assignee work;
the other steps are in `staff.py`, with what they need (`staff: {reject: 不属于社区}`).
`tickets` at the end are the resident's tickets, newest last. 「{number}」 is the newest ticket's
number, 「{other}」 that of somebody else's.

`who` names another resident of the same script, whose home is in `homes` and whose tickets are
checked in `others`. `notice` must be among what that resident was told since the last look, by
anybody but the dialogue; its buttons can be tapped next.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import select, update

from bot.domain.status import OPEN, Status
from bot.services import intake, residents
from bot.services.clock import now
from bot.store.models import Outbox, Resident, Ticket, TicketEvent
from bot.training.scripts import faults
from tests.conversations.staff import Case, do
from tests.stack import Talk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
_senders = itertools.count(1)


def conversations() -> list[Any]:
    read = YAML(typ="safe").load
    return [
        pytest.param(script, id=f"{path.stem}:{script['name']}")
        for path in sorted(Path(__file__).parent.glob("*.yml"))
        for script in read(path.read_text("utf-8"))
    ]


class Conversation:
    """One resident talking."""

    def __init__(self, talk: Talk, home: list[str] | None) -> None:
        self.talk, self.factory = talk, talk.database.factory
        self.sender = f"resident-{next(_senders)}"
        self.buttons: list[dict[str, str]] = []
        self.seen = 0  # the newest notice looked at
        if home:
            self._bind(home)

    def _bind(self, home: list[str]) -> None:
        profile = residents.profile(self.factory, "rest", self.sender, now())
        building = self.talk.database.building_id(home[0])
        residents.bind_home(self.factory, profile.id, building, *home[1:])

    def tickets(self) -> list[Ticket]:
        with self.factory() as session:
            query = (
                select(Ticket)
                .join(Resident, Ticket.resident_id == Resident.id)
                .where(Resident.channel == "rest", Resident.external_id == self.sender)
                .order_by(Ticket.id)
            )
            return list(session.scalars(query))

    def say(self, message: str) -> list[dict[str, Any]]:
        replies = self.talk.stack.say(self.sender, message)
        shown = [b for reply in replies for b in reply.get("buttons", [])]
        self.buttons = shown or self.buttons
        return replies

    def payload(self, title: str) -> str:
        fitting = [b["payload"] for b in self.buttons if title in b["title"]]
        assert fitting, f"no button {title!r} among {[b['title'] for b in self.buttons]}"
        return fitting[0]

    def notices(self) -> list[dict[str, Any]]:
        """What the resident was told since the last look, as if the dialogue had said it."""
        me = residents.profile(self.factory, "rest", self.sender, now()).id
        with self.factory() as session:
            rows = session.scalars(
                select(Outbox)
                .where(
                    Outbox.recipient_kind == "resident",
                    Outbox.recipient_id == me,
                    Outbox.id > self.seen,
                )
                .order_by(Outbox.id)
            ).all()
        self.seen = rows[-1].id if rows else self.seen
        told = [dict(row.payload) for row in rows]
        self.buttons = [b for n in told for b in n.get("buttons", [])] or self.buttons
        return told


def somebody_elses_ticket(talk: Talk) -> str:
    factory = talk.database.factory
    other = residents.profile(factory, "rest", "the-neighbour", now())
    residents.consent(factory, other.id, now())
    draft = intake.Draft(other.id, "housing/lift", "电梯坏了，别人家的秘密")
    return intake.open_ticket(factory, draft, idempotency_key="neighbour", now=now()).number


def check(turn: dict[str, Any], replies: list[dict[str, Any]]) -> None:
    assert not faults(turn, replies)


def clear_desks(talk: Talk) -> None:
    """Nobody has work left from other scripts, so a matter goes to whom it is nearest."""
    with talk.database.factory.begin() as session:
        left = Ticket.status.in_([status.value for status in OPEN])
        session.execute(update(Ticket).where(left).values(status=Status.WITHDRAWN.value))


class Script:
    """The residents of one script, by name; the one without a name is `me`."""

    def __init__(self, talk: Talk, script: dict[str, Any]) -> None:
        clear_desks(talk)
        self.people = {"me": Conversation(talk, script.get("home"))}
        for name, home in script.get("homes", {}).items():
            self.people[name] = Conversation(talk, home)

    def turn(self, turn: dict[str, Any]) -> None:
        person = self.people[turn.get("who", "me")]
        if "staff" in turn:
            steps = turn["staff"]
            for step, value in ({steps: None} if isinstance(steps, str) else steps).items():
                do(self.case(person), step, value)
        elif "notice" in turn:
            check({**turn, "hears": turn["notice"]}, person.notices())
        else:
            self.talk(person, turn)

    def case(self, person: Conversation) -> Case:
        others = [
            p.tickets()[-1].number for p in self.people.values() if p is not person and p.tickets()
        ]
        mine = person.tickets()
        return Case(person.factory, mine[-1] if mine else None, others)

    @staticmethod
    def talk(person: Conversation, turn: dict[str, Any]) -> None:
        message = person.payload(turn["tap"]) if "tap" in turn else str(turn["say"])
        if "{number}" in message:
            message = message.replace("{number}", person.tickets()[-1].number)
        if "{other}" in message:
            message = message.replace("{other}", somebody_elses_ticket(person.talk))
        check(turn, person.say(message * turn.get("times", 1)))


@pytest.mark.parametrize("script", conversations())
def test_conversation(talk: Talk, script: dict[str, Any]) -> None:
    running = Script(talk, script)
    for turn in script["turns"]:
        running.turn(turn)
    check_tickets(running.people["me"], script.get("tickets", []))
    for name, expected in script.get("others", {}).items():
        check_tickets(running.people[name], expected)


def check_tickets(resident: Conversation, expected: list[dict[str, Any]]) -> None:
    tickets = resident.tickets()
    assert len(tickets) == len(expected), [(t.number, t.item_key) for t in tickets]
    for ticket, wanted in zip(tickets, expected, strict=True):
        for name, value in wanted.items():
            if name == "told":
                assert value in notes(resident, ticket), value
            else:
                found = getattr(ticket, name)
                fits = value in found if isinstance(found, str) else value == found
                assert fits, f"{name}: {found!r} instead of {value!r}"


def notes(resident: Conversation, ticket: Ticket) -> str:
    with resident.factory() as session:
        query = select(TicketEvent.note).where(TicketEvent.ticket_id == ticket.id)
        return "\n".join(session.scalars(query))
