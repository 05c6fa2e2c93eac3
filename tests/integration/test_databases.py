"""The database fixture itself: filled, and a fresh one for each test."""

import datetime as dt

import pytest
from sqlalchemy import func, select

from bot.store.models import Member, Resident
from tests.databases import Database


@pytest.mark.parametrize("again", [1, 2])
def test_each_test_gets_a_fresh_copy_of_the_sample_community(database: Database, again: int):
    with database.factory.begin() as session:
        assert session.scalar(select(func.count(Member.id))) >= 40
        assert session.scalar(select(func.count(Resident.id))) == 0
        session.add(
            Resident(
                channel="webchat",
                external_id="visitor",
                created_at=dt.datetime(2026, 11, 24, tzinfo=dt.timezone.utc),
            )
        )
