"""What outlives a session, a process, and a repeated tap."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from sqlalchemy import select

from bot.services import residents
from bot.services.clock import now
from bot.store.models import Resident, Ticket, Utterance
from tests.stack import TOKEN, Talk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def numbers(talk: Talk, sender: str) -> list[str]:
    with talk.database.factory() as session:
        query = (
            select(Ticket.number)
            .join(Resident, Ticket.resident_id == Resident.id)
            .where(Resident.external_id == sender)
        )
        return list(session.scalars(query))


def bind(talk: Talk, sender: str) -> None:
    factory = talk.database.factory
    person = residents.profile(factory, "rest", sender, now())
    residents.bind_home(factory, person.id, talk.database.building_id("xingfuli_6"))


def texts(replies: list[dict[str, Any]]) -> str:
    return "\n".join(reply.get("text", "") for reply in replies)


def end_form(talk: Talk, sender: str) -> None:
    """As a new session does: the form is gone, the slots are carried over."""
    url = f"{talk.stack.rasa_url}/conversations/{sender}/tracker/events?token={TOKEN}"
    body = json.dumps({"event": "active_loop", "name": None}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()


def test_a_card_left_open_is_confirmed_after_the_session_has_ended(talk: Talk) -> None:
    bind(talk, "sleeper")
    talk.stack.say("sleeper", "家里停水了")
    end_form(talk, "sleeper")
    assert "工单号" in texts(talk.stack.say("sleeper", "/affirm"))
    assert "已经提交过了" in texts(talk.stack.say("sleeper", "/affirm"))
    assert len(numbers(talk, "sleeper")) == 1


def test_a_card_left_open_is_dropped_after_the_session_has_ended(talk: Talk) -> None:
    bind(talk, "dropper")
    talk.stack.say("dropper", "家里停水了")
    end_form(talk, "dropper")
    assert "没有提交" in texts(talk.stack.say("dropper", "/deny"))
    assert numbers(talk, "dropper") == []


def test_the_form_goes_on_after_the_actions_were_killed(talk: Talk) -> None:
    talk.stack.say("unlucky", "家里停水了")
    talk.stack.kill("actions")
    talk.stack.start("actions")
    card = talk.stack.say("unlucky", "幸福里6号楼")
    assert any(reply.get("custom") for reply in card)
    assert "工单号" in texts(talk.stack.say("unlucky", "确认提交"))
    assert len(numbers(talk, "unlucky")) == 1


def test_what_was_said_is_kept_masked_with_what_became_of_it(talk: Talk) -> None:
    bind(talk, "kept")
    talk.stack.say("kept", "我叫张小明，家里停水了，电话13800001111")
    talk.stack.say("kept", "/affirm")
    with talk.database.factory() as session:
        query = (
            select(Utterance)
            .join(Resident, Utterance.resident_id == Resident.id)
            .where(Resident.external_id == "kept")
        )
        [row] = session.scalars(query).all()
    assert "张小明" not in row.text_masked and "13800001111" not in row.text_masked
    assert (row.outcome, row.item_key) == ("ticket", "housing/water_supply")
    assert row.ticket_id is not None
    assert row.model == served_model(talk)


def served_model(talk: Talk) -> str:
    url = f"{talk.stack.rasa_url}/status?token={TOKEN}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)["model_id"]


def test_what_the_resident_puts_right_on_the_card_is_kept_as_corrected(talk: Talk) -> None:
    bind(talk, "corrects")
    talk.stack.say("corrects", "家里停水了")
    talk.stack.say("corrects", "不对，是停电了")
    talk.stack.say("corrects", "/affirm")
    with talk.database.factory() as session:
        query = (
            select(Utterance)
            .join(Resident, Utterance.resident_id == Resident.id)
            .where(Resident.external_id == "corrects")
            .order_by(Utterance.id)
        )
        first = session.scalars(query).first()
    assert (first.outcome, first.item_key) == ("corrected", "housing/water_supply")
    assert first.outcome_data == {"item": "housing/power_supply"}
