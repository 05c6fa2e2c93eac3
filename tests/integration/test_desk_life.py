"""Proxy filing and double reporting at the desk, by HTTP."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import func, select

from bot.desk.staff import errands, proxies
from bot.domain.worktime import SHANGHAI
from bot.services import double_reporting
from bot.services.double_reporting import SignUp
from bot.store.models import Attachment, Resident, Ticket
from bot.store.models_life import Errand, Volunteer
from tests.databases import Database
from tests.desk_client import Browser, browser, desk, form, photo
from tests.people import MORNING, resident, told

EVENING = dt.datetime(2026, 11, 25, 19, tzinfo=SHANGHAI)


@pytest.fixture
async def server(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestServer]:
    for module in (proxies, errands):
        monkeypatch.setattr(module.clock, "now", lambda: MORNING)
    async with desk(database, tmp_path) as served:
        yield served


def grandmother(database: Database, **changes: str) -> dict[str, str]:
    plain = {
        "name": "何奶奶",
        "building": str(database.building_id("xingfuli_3")),
        "unit": "2",
        "room": "501",
        "phone": "13812345678",
        "item": "housing/leak_repair",
        "words": "厨房水管漏水",
        "consent": "当面口头同意",
        "once": "token-1",
    }
    return plain | changes


def tickets(database: Database) -> list[Ticket]:
    with database.factory() as session:
        return list(session.scalars(select(Ticket).order_by(Ticket.id)))


async def test_a_double_tap_files_once_with_the_photo(database: Database, server: TestServer):
    async with browser(server, "wang_xiulan") as head:
        page = await head.get("/desk/proxy")
        assert "还没有代办过" in page
        assert "幸福里3号楼" in page
        assert "桂花园" not in page  # not her area

        def send():
            return head.send("/desk/proxy", form([("a.jpg", photo())], **grandmother(database)))

        answers = await asyncio.gather(send(), send())
        assert [a.status for a in answers] == [303, 303]
        [row] = tickets(database)
        assert row.filed_by_id == database.member_id("wang_xiulan")
        assert (row.place_text, row.consent_note) == ("幸福里3号楼2单元501室", "当面口头同意")
        page = await head.get("/desk/proxy")
        assert row.number in page
        assert "何奶奶 · 漏水维修" in page
        detail = await head.get(f"/desk/tickets/{row.number}")
        assert "楼栋长王秀兰代居民提交" in detail
        assert "居民上传的照片1" in detail
    with database.factory() as session:
        who = session.get(Resident, row.resident_id)
        assert (who.name, who.phone) == ("何奶奶", "13812345678")
        assert session.scalar(select(func.count()).where(Attachment.ticket_id == row.id)) >= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "请填写居民的姓名"),
        ({"consent": ""}, "征得本人同意"),
        ({"phone": "123"}, "手机号应为11位"),
        ({"unit": "二单元"}, "单元或房号"),
        ({"building": ""}, "请选择居民住的楼"),
        ({"building": "999999"}, "没有找到这栋楼"),
        ({"item": ""}, "请选择是哪一类事"),
        ({"item": "no/such"}, "没有这个服务事项"),
        ({"words": ""}, "什么事"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(
    database: Database, server: TestServer, change: dict[str, str], words: str
):
    async with browser(server, "wang_xiulan") as head:
        await head.get("/desk/proxy")
        answer = await head.send("/desk/proxy", grandmother(database, **change))
        text = await answer.text()
        assert answer.status == 422
        assert words in text
        if "name" not in change:
            assert 'value="何奶奶"' in text
    assert tickets(database) == []


async def test_only_for_the_own_area(database: Database, server: TestServer):
    async with browser(server, "deng_fuquan") as stranger:
        await stranger.get("/desk/proxy")
        answer = await stranger.send("/desk/proxy", grandmother(database))
        assert "只能为自己片区的居民代办" in await answer.text()
    async with browser(server, "peng_yong") as department:
        assert "您的岗位没有片区" in await department.get("/desk/proxy")
        assert "/desk/proxy" not in await department.get("/desk/me")
    assert tickets(database) == []


async def test_items_are_found_by_name_and_by_word(server: TestServer):
    async with browser(server, "wang_xiulan") as head:
        assert "漏水维修" in await head.get("/desk/items?q=漏水")
        found = await head.get("/desk/items?q=跑腿&item=other_service/errand")
        assert re.findall(r'value="([^"]+)"[^>]*checked', found) == ["other_service/errand"]
        assert "没有找到" in await head.get("/desk/items?q=火星")


# --- double reporting ----------------------------------------------------------------------


def volunteer(database: Database, n: int) -> int:
    offer = SignUp("member", f"党员{n}", f"1380000000{n}", "xinglin", ["repair"])
    who = resident(database, f"v{n}")
    return double_reporting.sign_up(database.factory, offer, MORNING, resident_id=who)


async def post_wish(lead: Browser, **changes: str) -> int:
    plain = {"title": "给李爷爷换灯泡", "skill": "repair", "wanted_at": "2026-11-25T19:00"}
    await lead.get("/desk/errands")
    answer = await lead.send("/desk/errands", plain | {"once": "token-2"} | changes)
    return answer.status


async def test_from_posting_to_credited_hours(database: Database, server: TestServer):
    who = volunteer(database, 1)
    async with browser(server, "wang_haiyan") as lead:
        assert "还没有微心愿" in await lead.get("/desk/errands")
        assert [await post_wish(lead), await post_wish(lead)] == [303, 303]  # tapped twice
        with database.factory() as session:
            [errand] = session.scalars(select(Errand.id)).all()
        assert "合适的志愿者 1 位" in await lead.get("/desk/errands")
        double_reporting.take(database.factory, errand, who, MORNING)
        assert "党员1认领" in await lead.get("/desk/errands")
        path = f"/desk/errands/{errand}/confirm"
        wrong = await lead.send(path, {"minutes": "0", "once": "token-3"})
        assert wrong.status == 422
        assert "1 到 720" in await wrong.text()
        assert (await lead.send(path, {"minutes": "90", "once": "token-3"})).status == 303
        again = await lead.send(path, {"minutes": "90", "once": "token-4"})
        assert "已经确认过了" in await again.text()
        page = await lead.get("/desk/errands")
        assert "记入1小时30分钟" in page
        assert "<strong>1小时30分钟</strong>" in page
    with database.factory() as session:
        row = session.get(Volunteer, who)
    assert "累计1小时30分钟" in told(database, "resident", row.resident_id)[-1]


async def test_a_unit_signs_up_at_the_desk_and_is_called(database: Database, server: TestServer):
    fields = {"kind": "unit", "name": "魏老师", "unit": "第三小学", "phone": "13800005555"}
    fields |= {"community": "xinglin", "skill": "repair", "hours": "any", "once": "token-5"}
    async with browser(server, "liu_fang") as secretary:
        await secretary.get("/desk/errands")
        wrong = await secretary.send("/desk/volunteers", fields | {"phone": "1"})
        assert "手机号应为11位" in await wrong.text()
        assert (await secretary.send("/desk/volunteers", fields)).status == 303
        assert await post_wish(secretary) == 303
        page = await secretary.get("/desk/errands")
        assert "第三小学魏老师" in page
        assert "电话联系" in page
        with database.factory() as session:
            errand, helper = session.scalar(select(Errand.id)), session.scalar(select(Volunteer.id))
        path = f"/desk/errands/{errand}/take"
        assert (await secretary.send(path, {"volunteer": str(helper)})).status == 303
        assert "第三小学魏老师认领" in await secretary.get("/desk/errands")
        late = await secretary.send(path, {"volunteer": str(volunteer(database, 2))})
        assert "已经有人先认领了" in await late.text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": " "}, "心愿是什么"),
        ({"skill": "magic"}, "请选择需要的技能"),
        ({"wanted_at": "soon"}, "请选择希望的时间"),
        ({"wanted_at": "2026-11-23T19:00"}, "时间已经过了"),
    ],
)
async def test_a_wish_needs_words_a_skill_and_a_time_to_come(
    database: Database, server: TestServer, change: dict[str, str], words: str
):
    async with browser(server, "wang_haiyan") as lead:
        await lead.get("/desk/errands")
        plain = {"title": "换灯泡", "skill": "repair", "wanted_at": "2026-11-25T19:00"}
        answer = await lead.send("/desk/errands", plain | change)
        assert answer.status == 422
        assert words in await answer.text()


async def test_a_wish_is_opened_again_and_cancelled(database: Database, server: TestServer):
    who, lead = volunteer(database, 1), database.member_id("wang_haiyan")
    wish = double_reporting.post(database.factory, lead, "换灯泡", "repair", EVENING, MORNING)
    double_reporting.take(database.factory, wish, who, MORNING)
    async with browser(server, "he_jianping") as elsewhere:
        await elsewhere.get("/desk/me")
        assert (await elsewhere.send(f"/desk/errands/{wish}/cancel", {})).status == 422
    async with browser(server, "wang_haiyan") as desk:
        assert "来不了或取消" in await desk.get("/desk/errands")
        await desk.send(f"/desk/errands/{wish}/release", {})
        page = await desk.get("/desk/errands")
        assert "待认领" in page
        assert "来不了" not in page
        assert (await desk.send(f"/desk/errands/{wish}/release", {})).status == 422
        await desk.send(f"/desk/errands/{wish}/cancel", {})
        page = await desk.get("/desk/errands")
        assert "已取消" in page
        assert "取消心愿" not in page


async def test_who_is_no_lead_and_who_leads_elsewhere(database: Database, server: TestServer):
    volunteer(database, 1)
    lead = database.member_id("wang_haiyan")
    double_reporting.post(database.factory, lead, "换灯泡", "repair", EVENING, MORNING)
    async with browser(server, "yang_jie") as member:
        assert "负责同志" in await member.get("/desk/errands", status=403)
        assert "/desk/errands" not in await member.get("/desk/me")
    async with browser(server, "he_jianping") as elsewhere:
        assert "换灯泡" not in await elsewhere.get("/desk/errands")
    async with browser(server, "chen_zhiyuan") as street:
        page = await street.get("/desk/errands")
        assert "换灯泡" in page
        assert "发布微心愿" not in page  # wishes are posted by a community
