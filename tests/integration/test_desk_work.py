"""The work at the staff desk: tasks, steps, live arrival, queue, figures."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestServer
from openpyxl import load_workbook
from sqlalchemy import func, select

from bot.services import clock, resident_steps, staff_steps
from bot.store.models import Attachment, TicketEvent
from bot.store.models_desk import SpentToken
from tests.databases import Database
from tests.desk_client import HTMX, Browser, browser, desk, form, photo
from tests.people import (
    HOUR,
    MORNING,
    finish_work,
    kinds,
    open_ticket,
    resident,
    start_work,
    ticket,
)

DISPATCHER = "zhao_lei"
NOW = MORNING + dt.timedelta(minutes=15)


@pytest.fixture(autouse=True)
def morning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of an hour after the tickets of the tests were opened."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[TestServer]:
    async with desk(database, tmp_path) as served:
        yield served


@pytest.fixture
def number(database: Database) -> str:
    return open_ticket(database, resident(database)).number


@pytest.fixture
async def staff(server: TestServer, database: Database, number: str) -> AsyncIterator[Browser]:
    """Whoever has the ticket, logged in."""
    async with browser(server, ticket(database, number).assignee.key) as found:
        yield found


async def test_a_task_goes_through_the_three_boxes(staff: Browser, database: Database, number: str):
    todo = await staff.get("/desk")
    assert number in todo and "漏水维修" in todo and "派给我" in todo
    assert "还剩1小时45分" in todo  # two hours to accept, 15 minutes have passed
    response = await staff.step(number, "accept", **{"from": "list"})
    assert response.headers["HX-Redirect"] == f"/desk/tickets/{number}"
    assert "已接单，请尽快联系居民" in await staff.get(f"/desk/tickets/{number}")
    assert number not in await staff.get("/desk")
    assert number in await staff.get("/desk?box=doing")
    await staff.step(number, "contact", note="已电话联系")
    await staff.step(number, "resolve", note="已换水管")
    assert number in await staff.get("/desk?box=done")
    assert "手上没有在办的任务" in await staff.get("/desk?box=doing")
    expected = ["submit", "dispatch", "accept", "contact", "resolve"]
    assert kinds(database, number) == expected


async def test_the_page_says_what_when_and_why_and_offers_the_next_step(
    staff: Browser, number: str
):
    page = await staff.get(f"/desk/tickets/{number}")
    for words in ("厨房漏水，楼上不管", "为什么派给我", "办理经过", "政策口径", "剩1小时45分"):
        assert words in page
    steps = set(re.findall(r"/do/(\w+)\"", page))
    assert {"accept", "return", "escalate", "note"} <= steps
    assert not {"contact", "resolve", "dispatch", "reject", "suspend"} & steps
    assert "没有派给的人" not in page  # for dispatchers only


async def test_a_dispatcher_sees_who_was_passed_over(
    server: TestServer, database: Database, number: str
):
    async with browser(server, DISPATCHER) as dispatcher:
        page = await dispatcher.get(f"/desk/tickets/{number}")
        assert "没有派给的人" in page and "/do/reject" in page and "改派" in page


async def test_work_with_photo_and_words_reaches_the_resident(
    staff: Browser, database: Database, number: str
):
    start_work(database, number)
    path = f"/desk/tickets/{number}/do/resolve"
    sent = form([("水管.jpg", photo())], csrf=staff.token, note="换了水管，不漏了")
    asked = await staff.send(path, sent, headers=HTMX)
    question = await asked.text()
    assert "确认办结吗" in question and "换了水管" in question
    assert ticket(database, number).status == "in_progress"
    token = re.search(r'name="photo" value="([^"]+)"', question)
    assert token
    await staff.step(number, "resolve", note="换了水管，不漏了", photo=token[1])
    row = ticket(database, number)
    assert (row.status, row.resolution) == ("resolved", "换了水管，不漏了")
    with database.factory() as session:
        stored = session.scalars(select(Attachment)).one()
    assert (stored.ticket_id, stored.token) == (row.id, token[1])
    page = await staff.get(f"/desk/tickets/{number}")
    assert f"/desk/photos/{token[1]}" in page
    shown = await staff.client.get(f"/desk/photos/{token[1]}")
    assert shown.headers["Content-Type"] == "image/jpeg"
    assert (await shown.read())[:3] == b"\xff\xd8\xff"


async def test_a_photo_is_for_those_who_see_the_ticket(
    staff: Browser, server: TestServer, database: Database, number: str
):
    start_work(database, number)
    sent = form([("a.jpg", photo())], csrf=staff.token, note="现场")
    await staff.send(f"/desk/tickets/{number}/do/note", sent, headers=HTMX)
    with database.factory() as session:
        token = session.scalars(select(Attachment.token)).one()
    async with browser(server, "he_jianping") as elsewhere:
        await elsewhere.get(f"/desk/photos/{token}", status=404)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"%PDF-1.7 not a photo", "不是能识别的照片"), (b"\xff\xd8\xff" + b"0" * 11_000_000, "太大")],
)
async def test_what_is_no_photo_is_refused_in_chinese(
    staff: Browser, database: Database, number: str, content: bytes, words: str
):
    start_work(database, number)
    sent = form([("photo.jpg", content)], csrf=staff.token, note="换了水管")
    response = await staff.send(f"/desk/tickets/{number}/do/resolve", sent, headers=HTMX)
    assert response.status in (400, 413, 422)
    assert words in await response.text()
    assert ticket(database, number).status == "in_progress"
    with database.factory() as session:
        assert session.scalar(select(func.count(Attachment.id))) == 0


async def test_a_form_sent_twice_acts_once(staff: Browser, database: Database, number: str):
    start_work(database, number)
    twice = [staff.step(number, "note", note="去看过了", once="same-form") for _ in range(2)]
    responses = await asyncio.gather(*twice)
    assert [r.status for r in responses] == [200, 200]
    assert kinds(database, number).count("note") == 1
    await staff.step(number, "note", note="去看过了", once="another-form")
    assert kinds(database, number).count("note") == 2


async def test_a_form_that_was_refused_may_be_sent_again(
    staff: Browser, database: Database, number: str
):
    start_work(database, number)
    refused = await staff.step(number, "escalate", note="", once="form")
    assert refused.status == 422 and "上报请写明原因" in await refused.text()
    with database.factory() as session:
        assert session.scalar(select(func.count(SpentToken.token))) == 0
    assert (await staff.step(number, "escalate", note="要专业队伍", once="form")).status == 200
    assert kinds(database, number)[-1] == "escalate"


async def test_who_acts_on_an_old_page_is_told_and_keeps_the_words(
    staff: Browser, database: Database, number: str
):
    start_work(database, number)
    old = str(ticket(database, number).version - 1)
    response = await staff.step(number, "resolve", note="我写了很多字", version=old)
    text = await response.text()
    assert response.status == 422
    assert "刚刚被别人更新了" in text and "我写了很多字" in text and "刷新工单" in text
    assert ticket(database, number).status == "in_progress"


async def test_of_two_pages_that_accept_the_second_reads_that_it_is_taken(
    staff: Browser, number: str
):
    assert (await staff.step(number, "accept", once="a", **{"from": "list"})).status == 200
    second = await staff.step(number, "accept", once="b", **{"from": "list"})
    assert second.status == 409 and await second.text() == "已被接单。"


@pytest.mark.parametrize("step", ["resolve", "return", "reject"])
async def test_what_cannot_be_undone_is_asked_first(
    server: TestServer, database: Database, number: str, step: str
):
    if step == "resolve":
        start_work(database, number)
    key = DISPATCHER if step == "reject" else ticket(database, number).assignee.key
    before = ticket(database, number).status
    async with browser(server, key) as actor:
        path = f"/desk/tickets/{number}/do/{step}"
        empty = await actor.send(path, {"note": " "}, headers=HTMX)
        assert empty.status == 422 and "请写明" in await empty.text()
        asked = await actor.send(path, {"note": "原因写在这里"}, headers=HTMX)
        assert "原因写在这里" in await asked.text()
        assert ticket(database, number).status == before
        assert (await actor.step(number, step, note="原因写在这里")).status == 200
        assert ticket(database, number).status != before or step == "return"
        assert step in kinds(database, number)


async def test_hand_over_to_a_colleague_found_by_name(
    staff: Browser, database: Database, number: str
):
    start_work(database, number)
    assert "杨洁" in await staff.get(f"/desk/tickets/{number}/do/transfer")
    found = await staff.get("/desk/colleagues?q=杨")
    assert "杨洁" in found and "王海燕" not in found
    assert "没有找到" in await staff.get("/desk/colleagues?q=%25")
    response = await staff.step(number, "transfer", note="要懂水电的", colleague="yang_jie")
    assert response.status == 200
    row = ticket(database, number)
    assert (row.assignee.key, row.status) == ("yang_jie", "dispatched")


async def test_a_hand_over_to_nobody_is_refused(staff: Browser, database: Database, number: str):
    start_work(database, number)
    for colleague in ("", "he_jianping", "nobody"):
        response = await staff.step(number, "transfer", note="给别人", colleague=colleague)
        assert response.status == 422 and "没有找到这位工作人员" in await response.text()


async def test_a_step_that_is_not_open_now_is_refused_in_words(staff: Browser, number: str):
    response = await staff.step(number, "resolve", note="做完了")
    assert response.status == 422 and "不能办结" in await response.text()
    await staff.get(f"/desk/tickets/{number}/do/resolve", status=409)
    await staff.get(f"/desk/tickets/{number}/do/nonsense", status=404)


async def test_without_scripts_whole_pages_do_the_same(
    staff: Browser, database: Database, number: str
):
    response = await staff.send(f"/desk/tickets/{number}/do/accept", {"csrf": staff.token})
    assert response.headers["Location"] == f"/desk/tickets/{number}"
    assert "已接单，请尽快联系居民" in await staff.get(f"/desk/tickets/{number}")
    assert "<h1" in await staff.get(f"/desk/tickets/{number}/do/contact")
    assert ticket(database, number).status == "accepted"


# --- live arrival ---------------------------------------------------------------------------


async def events(response: ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """Server-sent events as they come."""
    name = ""
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


async def test_a_new_task_arrives_live_and_only_where_it_belongs(
    staff: Browser, server: TestServer, database: Database
):
    async with browser(server, "yuan_zheng") as other:
        mine = await staff.client.get("/desk/stream")
        theirs = await other.client.get("/desk/stream")
        heard, unheard = events(mine), events(theirs)
        assert (await anext(heard))[0] == (await anext(unheard))[0] == "hello"
        number = await asyncio.to_thread(
            lambda: open_ticket(database, resident(database, "neighbour")).number
        )
        name, alert = await asyncio.wait_for(anext(heard), 20)
        assert (name, alert["kind"], alert["number"]) == ("alert", "task_card", number)
        assert "新任务" in alert["text"]
        name, changes = await asyncio.wait_for(anext(heard), 20)
        assert (name, list(changes)) == ("change", [number])
        elsewhere = await asyncio.to_thread(
            lambda: (
                open_ticket(
                    database, resident(database, "far"), building="jinxiu_a", now=NOW
                ).number
            )
        )
        # The first thing the other one hears of is its own task: the one before was not for it.
        name, alert = await asyncio.wait_for(anext(unheard), 20)
        assert (name, alert["number"]) == ("alert", elsewhere)
        mine.close()
        theirs.close()


async def test_what_happened_before_the_line_was_up_is_not_missed(
    staff: Browser, database: Database, number: str
):
    seen = re.search(r'data-seen="(\d+)"', await staff.get("/desk"))
    assert seen
    start_work(database, number)
    for options in (
        {"params": {"since": seen[1]}},
        {"params": {"since": "999"}, "headers": {"Last-Event-ID": seen[1]}},
    ):
        stream = await staff.client.get("/desk/stream", **options)
        heard = events(stream)
        await anext(heard)
        name, changes = await asyncio.wait_for(anext(heard), 20)
        assert (name, list(changes)) == ("change", [number])
        stream.close()


async def test_an_urge_of_the_resident_is_heard_and_stays_listed(
    staff: Browser, database: Database, number: str
):
    stream = await staff.client.get("/desk/stream")
    heard = events(stream)
    await anext(heard)
    me = ticket(database, number).resident_id
    await asyncio.to_thread(resident_steps.urge, database.factory, number, me, NOW, key="m2")
    name, alert = await asyncio.wait_for(anext(heard), 20)
    assert name == "alert" and "居民催办" in alert["text"]
    stream.close()
    assert "居民催办" in await staff.get("/desk/alerts")


# --- queue and figures ----------------------------------------------------------------------


async def test_the_queue_filters_searches_and_pages(
    server: TestServer, database: Database, number: str
):
    me = ticket(database, number).resident_id
    lift = open_ticket(database, me, item="housing/lift", words="电梯不动了").number
    for n in range(25):
        open_ticket(database, me, item="medical/appointment", words=f"问诊所几点开{n}")
    start_work(database, lift)
    async with browser(server, DISPATCHER) as lead:
        page = await lead.get("/desk/queue")
        assert "共 27 件" in page and "第 1 / 2 页" in page and number not in page
        assert number in await lead.get("/desk/queue?page=2")
        assert "第 2 / 2 页" in await lead.get("/desk/queue?page=99")
        for query, there, absent in (
            ("status=in_progress", lift, number),
            ("category=housing", number, "问诊所"),
            (f"text={lift[-4:]}", lift, number),
            ("text=不动了", lift, number),
            ("status=nonsense&category=housing&page=-1&days=x", lift, "问诊所"),
        ):
            page = await lead.get(f"/desk/queue?{query}", headers=HTMX)
            assert there in page and absent not in page, query
        assert "没有符合条件的工单" in await lead.get("/desk/queue?text=%25%25")


async def test_what_was_returned_twice_waits_on_top_of_the_queue(
    server: TestServer, database: Database, number: str
):
    for _ in range(2):
        who = ticket(database, number).assignee_id
        staff_steps.return_ticket(database.factory, number, who, "不归我管", NOW)
    me = ticket(database, number).resident_id
    newer = open_ticket(database, me, item="housing/lift").number
    async with browser(server, DISPATCHER) as lead:
        page = await lead.get("/desk/queue")
        assert page.index(number) < page.index(newer)
        assert "待人工派单" in page
        assert newer not in await lead.get("/desk/queue?show=locked")
        response = await lead.step(number, "dispatch", colleague="yang_jie", note="你去看看")
        assert response.status == 200
    assert ticket(database, number).assignee.key == "yang_jie"


async def test_the_filtered_list_as_csv_and_excel(
    server: TestServer, database: Database, number: str
):
    me = ticket(database, number).resident_id
    bad = '=HYPERLINK("http://evil.example") 电话13812345678'
    open_ticket(database, me, item="housing/lift", words=bad)
    async with browser(server, DISPATCHER) as lead:
        response = await lead.client.get("/desk/queue/export.csv?category=housing")
        assert "attachment" in response.headers["Content-Disposition"]
        body = await response.read()
        assert body.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
        words = [dict(zip(rows[0], row, strict=True))["内容"] for row in rows[1:]]
        assert len(words) == 2 and "厨房漏水，楼上不管" in words
        assert any(w.startswith("'=HYPERLINK") and "〔电话〕" in w for w in words)
        assert "13812345678" not in body.decode("utf-8-sig")
        response = await lead.client.get(f"/desk/queue/export.xlsx?text={number}")
        sheet = load_workbook(io.BytesIO(await response.read())).active
        assert [row[0] for row in sheet.iter_rows(values_only=True)] == ["工单号", number]


async def test_figures_count_the_unrated_apart_and_lead_to_their_tickets(
    server: TestServer, database: Database, number: str
):
    me = ticket(database, number).resident_id
    finish_work(database, number)
    resident_steps.rate(database.factory, number, me, MORNING, stars=5)
    unhappy = open_ticket(database, me, key="u").number
    finish_work(database, unhappy)
    resident_steps.rate(database.factory, unhappy, me, MORNING, stars=2)
    unrated = open_ticket(database, me, key="n").number
    finish_work(database, unrated)
    late = open_ticket(database, me, key="l", now=MORNING - 48 * HOUR).number
    async with browser(server, DISPATCHER) as lead:
        page = re.sub(r"\s+", " ", await lead.get("/desk/stats"))
        for name, figure in (("响应率", "75%"), ("解决率", "100%"), ("满意率", "50%")):
            assert re.search(f"<span>{name}<small>[^<]*</small></span><strong>{figure}", page), name
        assert "1 件办结后未评价" in page
        assert re.search("小事不出格<small>[^<]*</small></span><strong>100%", page)
        assert unrated in await lead.get("/desk/queue?show=unrated&days=30")
        found = await lead.get("/desk/queue?show=overdue&days=30")
        assert late in found and unrated not in found


async def test_my_page_says_when_i_am_on_duty(staff: Browser):
    page = await staff.get("/desk/me")
    assert "值班中" in page and "每天 07:00–22:00" in page and "1 件" in page


async def test_events_of_steps_name_who_took_them(staff: Browser, database: Database, number: str):
    await staff.step(number, "accept")
    with database.factory() as session:
        event = session.scalars(select(TicketEvent).where(TicketEvent.kind == "accept")).one()
    assert event.actor_kind == "member"
    assert event.actor_name in await staff.get(f"/desk/tickets/{number}")


async def test_a_pause_is_asked_for_and_approved_by_somebody_else(
    staff: Browser, server: TestServer, database: Database, number: str
):
    start_work(database, number)
    page = await staff.get(f"/desk/tickets/{number}")
    assert "申请挂起" in page and "/do/suspend" not in page
    response = await staff.step(number, "ask_suspend", note="等配件", choice="third_party")
    assert "承办人申请挂起。等第三方：等配件" in await response.text()
    assert ticket(database, number).status == "in_progress"
    async with browser(server, DISPATCHER) as lead:
        page = await lead.get(f"/desk/tickets/{number}")
        assert "同意挂起" in page and "不同意挂起" in page
        assert (await lead.step(number, "suspend")).status == 200
    assert ticket(database, number).status == "suspended"
    assert "挂起中不计时" in await staff.get(f"/desk/tickets/{number}")
    assert (await staff.step(number, "resume")).status == 200
    assert ticket(database, number).status == "in_progress"


async def test_a_pause_that_is_not_granted(
    staff: Browser, server: TestServer, database: Database, number: str
):
    start_work(database, number)
    await staff.step(number, "ask_suspend", note="等配件", choice="third_party")
    async with browser(server, DISPATCHER) as lead:
        response = await lead.step(number, "deny_suspend", note="配件社区有")
        assert response.status == 200
    page = await staff.get(f"/desk/tickets/{number}")
    assert "配件社区有" in page and "等待审批" not in page


async def test_departments_are_whistled_in_and_do_their_part(
    server: TestServer, database: Database, number: str
):
    start_work(database, number)
    async with browser(server, DISPATCHER) as lead, browser(server, "peng_yong") as zhujian:
        await zhujian.get(f"/desk/tickets/{number}", status=404)
        assert "云溪市住建局青禾工作站" in await lead.get(f"/desk/tickets/{number}/do/whistle")
        refused = await lead.step(number, "whistle", note="查管线")
        assert refused.status == 422 and "请选择要吹哨的部门" in await refused.text()
        response = await lead.step(number, "whistle", note="查公共管线", department="zhujian")
        assert "待报到" in await response.text()
        todo = await zhujian.get("/desk")
        assert number in todo and "查公共管线" in todo and "会办" in todo
        assert (await zhujian.step(number, "check_in", note="下午到")).status == 200
        page = await zhujian.get(f"/desk/tickets/{number}")
        assert "/do/co_done" in page and "/do/check_in" not in page
        assert number in await zhujian.get("/desk?box=doing")
        assert (await zhujian.step(number, "co_done", note="主管已换")).status == 200
        assert "结果：主管已换" in await lead.get(f"/desk/tickets/{number}")
        assert number in await zhujian.get("/desk?box=done")
