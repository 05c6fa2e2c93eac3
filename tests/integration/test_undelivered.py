"""A message that reached nobody stands on the ticket's page, with the reason."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from bot.store.models import Outbox
from tests.databases import Database
from tests.desk_client import browser, desk
from tests.people import open_ticket, resident

WHY = "客服消息：居民超过 48 小时没有与公众号互动，微信不允许发送（45015）"


async def test_the_page_says_what_did_not_arrive_and_why(
    sqlite_database: Database, tmp_path: Path
) -> None:
    number = open_ticket(sqlite_database, resident(sqlite_database)).number
    async with desk(sqlite_database, tmp_path) as server, browser(server, "zhao_lei") as staff:
        assert "未送达" not in await staff.get(f"/desk/tickets/{number}")
        with sqlite_database.factory.begin() as session:
            failed = {"status": "failed", "error": WHY, "errcode": 45015}
            session.execute(update(Outbox).values(failed))
        page = await staff.get(f"/desk/tickets/{number}")
    assert "未送达" in page and WHY in page
