"""A matter filed at night goes to the person near home who is there in the morning."""

import datetime as dt

from bot.services import intake, residents
from bot.store import queries

NIGHT = dt.datetime(2026, 11, 24, 19, 0, tzinfo=dt.timezone.utc)  # 03:00 in Shanghai


def _open(database, item: str, urgency: str | None = None) -> str:
    profile = residents.profile(database.factory, "webchat", "night-owl", NIGHT)
    residents.consent(database.factory, profile.id, NIGHT)
    home = residents.find_building(database.factory, building="3", estate="幸福里").only
    draft = intake.Draft(profile.id, item, "夜里发的", home.id, urgency=urgency)
    opened = intake.open_ticket(database.factory, draft, idempotency_key=item, now=NIGHT)
    with database.factory() as session:
        return queries.reasons_of(session, [opened.ticket_id])[opened.ticket_id]


def test_an_ordinary_matter_waits_for_the_nearest_person_in_the_morning(database):
    reason = _open(database, "dispute/neighbour_leak")
    assert "楼栋长" in reason and "上班后办理" in reason


def test_danger_does_not_wait_for_the_morning(database):
    reason = _open(database, "emergency/gas_leak", "danger")
    assert "上班后办理" not in reason
