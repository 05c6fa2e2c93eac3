"""Scripted conversations through real Rasa and real actions.

Each document of the YAML files is one conversation. A turn is `say` (or `tap`, which looks for a
button of the last answer), and what must come back: `hears` / `never` (parts of the texts), `card`
(parts of the rows by name), `buttons` (parts of titles). `staff: resolve` lets the assignee work.
`tickets` at the end are the resident's tickets, newest last. 「{number}」 is the newest ticket's
number, 「{other}」 that of somebody else's.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import select

from bot.services import intake, residents, staff_steps
from bot.services.clock import now
from bot.store.models import Resident, Ticket, TicketEvent
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

    def __init__(self, talk: Talk, script: dict[str, Any]) -> None:
        self.talk, self.factory = talk, talk.database.factory
        self.sender = f"resident-{next(_senders)}"
        self.buttons: list[dict[str, str]] = []
        if script.get("home"):
            self._bind(script["home"])

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

    def resolve(self) -> None:
        ticket = self.tickets()[-1]
        number, member = ticket.number, ticket.assignee_id
        staff_steps.accept(self.factory, number, member, now())
        staff_steps.contact(self.factory, number, member, "已联系居民", now())
        staff_steps.resolve(self.factory, number, member, "已换水管", now())


def somebody_elses_ticket(talk: Talk) -> str:
    factory = talk.database.factory
    other = residents.profile(factory, "rest", "the-neighbour", now())
    residents.consent(factory, other.id, now())
    draft = intake.Draft(other.id, "housing/lift", "电梯坏了，别人家的秘密")
    return intake.open_ticket(factory, draft, idempotency_key="neighbour", now=now()).number


def check(turn: dict[str, Any], replies: list[dict[str, Any]]) -> None:
    said = "\n".join(reply.get("text", "") for reply in replies)
    for part in turn.get("hears", []):
        assert re.search(part, said), f"{part!r} is not in {said!r}"
    for part in turn.get("never", []):
        assert not re.search(part, said), f"{part!r} is in {said!r}"
    assert re.search("[\u4e00-\u9fff]", said), f"no Chinese answer: {replies!r}"
    titles = [b["title"] for reply in replies for b in reply.get("buttons", [])]
    for title in turn.get("buttons", []):
        assert any(title in shown for shown in titles), f"no button {title!r} in {titles}"
    if "card" in turn:
        check_card(turn["card"], replies)


def check_card(expected: dict[str, str], replies: list[dict[str, Any]]) -> None:
    cards = [reply["custom"]["card"] for reply in replies if reply.get("custom")]
    assert cards, f"no card in {replies!r}"
    rows = {name: value for card in cards for name, value in card.get("rows", [])}
    for name, value in expected.items():
        assert value in rows.get(name, ""), f"{name}: {value!r} is not in {rows}"


@pytest.mark.parametrize("script", conversations())
def test_conversation(talk: Talk, script: dict[str, Any]) -> None:
    resident = Conversation(talk, script)
    for turn in script["turns"]:
        if "staff" in turn:
            resident.resolve()
            continue
        message = resident.payload(turn["tap"]) if "tap" in turn else str(turn["say"])
        if "{number}" in message:
            message = message.replace("{number}", resident.tickets()[-1].number)
        if "{other}" in message:
            message = message.replace("{other}", somebody_elses_ticket(talk))
        check(turn, resident.say(message * turn.get("times", 1)))
    check_tickets(resident, script.get("tickets", []))


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
