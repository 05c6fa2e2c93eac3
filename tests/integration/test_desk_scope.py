"""Who at the desk sees whose matters and whose phone number."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from bot.services import clock, residents
from bot.store.models import AccessLog
from tests.databases import Database
from tests.desk_client import HTMX, browser, desk
from tests.people import MORNING, holder, open_ticket, resident, ticket

LEAD_ELSEWHERE = "he_jianping"  # secretary of the other community


@pytest.fixture(autouse=True)
def morning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of an hour after the tickets of the tests were opened."""
    monkeypatch.setattr(clock, "now", lambda: MORNING + dt.timedelta(minutes=15))


@pytest.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[TestServer]:
    async with desk(database, tmp_path) as served:
        yield served


def key_of(database: Database, number: str) -> str:
    return str(ticket(database, number).assignee.key)


async def test_somebody_elses_ticket_is_as_if_it_did_not_exist(
    server: TestServer, database: Database
):
    number = open_ticket(database, resident(database)).number
    async with browser(server, LEAD_ELSEWHERE) as other:
        hidden = await other.get(f"/desk/tickets/{number}", status=404)
        unknown = await other.get("/desk/tickets/LL-20260101-9999", status=404)
        assert "没有找到，或不在您的查看范围内。" in hidden
        assert "漏水" not in hidden and len(hidden) == len(unknown)
        for step in ("accept", "note", "dispatch"):
            response = await other.step(number, step, note="看看", colleague="wang_xiulan")
            assert response.status == 404
        assert (await other.send(f"/desk/tickets/{number}/phone")).status == 404
        assert number not in await other.get("/desk/queue")
    assert ticket(database, number).status == "dispatched"


async def test_a_private_dispute_is_hidden_from_leads_two_levels_up(
    server: TestServer, database: Database
):
    me = resident(database)
    number = open_ticket(database, me, item="dispute/neighbour_noise", words="邻居打架").number
    row = ticket(database, number)
    assert row.private and row.level in ("building_group", "household_centre", "grid")
    async with browser(server, "chen_zhiyuan") as street:
        await street.get(f"/desk/tickets/{number}", status=404)
        assert number not in await street.get("/desk/queue")
        assert "邻居打架" not in await street.get("/desk/queue/export.csv")
        assert "<strong>0</strong><span>收到" in await street.get("/desk/stats?days=0")
    async with browser(server, row.assignee.key) as assignee:
        assert "邻居打架" in await assignee.get(f"/desk/tickets/{number}")


async def test_the_phone_number_is_masked_until_asked_for_and_each_look_is_on_record(
    server: TestServer, database: Database
):
    me = resident(database)
    residents.set_phone(database.factory, me, "13812341111")
    number = open_ticket(database, me).number
    async with browser(server, key_of(database, number)) as staff:
        page = await staff.get(f"/desk/tickets/{number}")
        assert "138****1111" in page and "13812341111" not in page
        response = await staff.send(f"/desk/tickets/{number}/phone", headers=HTMX)
        assert "13812341111" in await response.text()
        assert "13812341111" not in await staff.get(f"/desk/tickets/{number}")
    with database.factory() as session:
        looks = session.scalars(select(AccessLog)).all()
    who, whose = holder(database, number), ticket(database, number)
    assert [(a.member_id, a.ticket_id, a.what) for a in looks] == [(who, whose.id, "phone")]


async def test_who_gave_a_ticket_back_may_not_see_the_phone_number(
    server: TestServer, database: Database
):
    me = resident(database)
    residents.set_phone(database.factory, me, "13812341111")
    number = open_ticket(database, me).number
    async with browser(server, key_of(database, number)) as staff:
        assert (await staff.step(number, "return", note="不归我管")).status == 200
        response = await staff.send(f"/desk/tickets/{number}/phone", headers=HTMX)
        assert response.status == 403
        assert "13812341111" not in await response.text()
