"""Utterances kept for review: once a message, masked, with their last outcome."""

import datetime as dt

from sqlalchemy import select

from bot.services import utterances
from bot.services.utterances import Heard
from bot.store.models import Utterance

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
