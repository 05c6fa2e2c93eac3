"""All four processes die between any two steps of the loop: it finishes, and nothing is doubled."""

from __future__ import annotations

import http.cookiejar
import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.services import staff_steps
from bot.services.clock import now
from bot.store.models import ChatMessage, Outbox, Ticket, TicketEvent
from tests.databases import Database
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
PATIENCE = 60.0


class Phone:
    """A resident's browser, as far as HTTP goes: a cookie, messages with keys, the history."""

    def __init__(self, url: str) -> None:
        self.url = url
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.opener.open(f"{url}/chat").read()

    def send(self, text: str, label: str = "") -> None:
        """Post one message; it is acknowledged when this returns."""
        body = {"key": str(uuid.uuid4()), "text": text, "kind": "tap" if label else "text"}
        request = urllib.request.Request(
            f"{self.url}/chat/messages",
            json.dumps({**body, "label": label}).encode(),
            {"Content-Type": "application/json", "Origin": self.url},
        )
        with self.opener.open(request) as answer:
            assert answer.status in (200, 202)

    def lines(self) -> list[dict[str, Any]]:
        """The last lines of the history."""
        with self.opener.open(f"{self.url}/chat/history") as answer:
            return json.load(answer)["lines"]


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.2)  # what is awaited is written by another process


@pytest.fixture
def stack(sqlite_database: Database, trained_model: Path, tmp_path: Path) -> Iterator[Stack]:
    started = Stack(tmp_path, sqlite_database.url, LINLI_MODELS_DIR=str(trained_model.parent))
    try:
        yield started.start()
    finally:
        started.kill()


def crash(stack: Stack) -> None:
    """SIGKILL for everything that runs, then a fresh start."""
    stack.kill()
    stack.start()


def test_every_process_may_die_between_any_two_steps(stack: Stack, sqlite_database: Database):
    factory = sqlite_database.factory

    def count(table: Any, *where: Any) -> int:
        with factory() as session:
            return session.scalar(select(func.count(table.id)).where(*where)) or 0

    def answered(words: str) -> Callable[[], bool]:
        return lambda: words in json.dumps(phone.lines(), ensure_ascii=False)

    phone = Phone(stack.desk_url)
    phone.send("幸福里3号楼2单元501厨房漏水，楼上不管")
    crash(stack)  # perhaps before, within or after the turn: the message was acknowledged
    until(answered("请核对"), "the card never came")
    crash(stack)
    phone.send("/affirm", label="确认提交")
    crash(stack)
    until(lambda: count(Ticket) == 1, "the ticket was never opened")
    until(answered("LL-"), "the resident never heard the number")
    with factory() as session:
        ticket = session.scalars(select(Ticket)).one()
    number, member = ticket.number, ticket.assignee_id
    staff_steps.accept(factory, number, member, now())
    crash(stack)
    staff_steps.contact(factory, number, member, "电话联系了", now())
    crash(stack)
    staff_steps.resolve(factory, number, member, "换了接头，不漏了", now())
    crash(stack)
    until(answered("换了接头，不漏了"), "the resident never heard that it is done")
    payload = json.dumps({"ticket_number": number, "rating": 5, "solved": True})
    phone.send(f"/ticket_rate{payload}", label="5星，已解决")
    crash(stack)
    until(lambda: count(Ticket, Ticket.status == "closed") == 1, "the rating was lost")
    # Staff alerts may wait for duty hours; what the resident is told does not.
    unsent = (Outbox.recipient_kind == "resident", Outbox.status != "sent")
    until(lambda: count(Outbox, *unsent) == 0, "a message was never delivered")

    assert count(Ticket) == 1
    with factory() as session:
        kinds = session.scalars(select(TicketEvent.kind).order_by(TicketEvent.id)).all()
        texts = session.scalars(
            select(ChatMessage.body).where(ChatMessage.direction == "out")
        ).all()
    assert kinds == ["submit", "dispatch", "accept", "contact", "resolve", "rate"]
    notices = [body["text"] for body in texts if body.get("number")]
    assert len(notices) == len(set(notices))
    cards = [body for body in texts if (body.get("card") or {}).get("type") == "ticket"]
    assert len(cards) == 1
