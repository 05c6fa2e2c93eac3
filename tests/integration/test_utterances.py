"""Utterances kept for review: once a message, masked, with their last outcome."""

import datetime as dt
from dataclasses import replace

from sqlalchemy import select

from bot.services import intake, residents, utterances
from bot.services.utterances import Heard
from bot.store.models import Utterance
from bot.training import queue
from tests.integration.test_labels import staff_with

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.timezone.utc)


def heard(text="我叫张小明，电话13800001111，家里漏水"):
    ranking = [{"name": "housing", "confidence": 0.9}]
    return Heard("rest:1", None, text, "housing", "housing/leak_repair", 0.9, ranking)


def rows(database):
    with database.factory() as session:
        return session.scalars(select(Utterance)).all()


def test_text_is_masked_before_it_is_stored(database):
    utterances.record(database.factory, heard(), "form", NOW)
    [row] = rows(database)
    assert row.text_masked == "我叫〔姓名〕，电话〔电话〕，家里漏水"
    assert (row.intent, row.item_key, row.outcome) == ("housing", "housing/leak_repair", "form")


def test_a_repeated_message_is_kept_once_with_its_last_outcome(database):
    utterances.record(database.factory, heard(), "form", NOW)
    utterances.record(database.factory, heard(), "fallback", NOW)
    utterances.settle_later(database.factory, "rest:1", "cancelled")
    assert [row.outcome for row in rows(database)] == ["cancelled"]


def ticket_of(database, item="housing/water_supply"):
    person = residents.profile(database.factory, "rest", "somebody", NOW)
    residents.consent(database.factory, person.id, NOW)
    draft = intake.Draft(person.id, item, "没有水")
    return intake.open_ticket(database.factory, draft, idempotency_key=item, now=NOW).ticket_id


def test_what_the_resident_put_right_comes_first_in_the_queue_with_the_right_item(database):
    read_rightly = replace(heard("家里漏水"), message_id="rest:2", model="m1")
    utterances.record(database.factory, heard("没有水了"), "form", NOW)
    utterances.record(database.factory, read_rightly, "form", NOW)
    ticket_id = ticket_of(database)
    utterances.filed(database.factory, "rest:1", "housing/water_supply", ticket_id)
    leak = ticket_of(database, "housing/leak_repair")
    utterances.filed(database.factory, "rest:2", "housing/leak_repair", leak)
    corrected, rightly = sorted(rows(database), key=lambda row: row.message_id)
    assert (corrected.outcome, corrected.ticket_id) == ("corrected", ticket_id)
    assert (rightly.outcome, rightly.model) == ("ticket", "m1")
    staff = staff_with(database, "street_desk")
    [card] = [c for c in queue.page(database.factory, staff, NOW) if c.reason]
    assert (card.text, card.reason) == ("没有水了", "居民更正过")
    assert card.guesses[0].intent == "housing/water_supply"


def test_a_message_that_was_not_understood_keeps_what_was_chosen_instead(database):
    unread = replace(heard("那个水的事"), intent="nlu_fallback", item_key=None)
    utterances.record(database.factory, unread, "fallback", NOW)
    utterances.filed(database.factory, "rest:1", "housing/water_supply", ticket_of(database))
    [card] = queue.page(database.factory, staff_with(database, "street_desk"), NOW)
    assert (card.reason, card.guesses[0].intent) == ("没听懂", "housing/water_supply")
