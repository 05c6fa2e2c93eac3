"""Pages of dispatchers and leads: supervision, appeals, merging, call-backs, figures of calls."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from bot.domain.errors import WrongState
from bot.services import (
    callbacks,
    clock,
    drawing,
    ladder,
    merging,
    oversight,
    resident_steps,
    staff_steps,
    whistle,
)
from bot.store.models_life import CallBack
from bot.store.statistics import Rate, statistics
from tests.databases import Database
from tests.desk_client import Browser, browser, desk
from tests.people import (
    MORNING,
    all_at_once,
    finish_work,
    holder,
    kinds,
    open_ticket,
    resident,
    start_work,
    ticket,
    told,
)

DISPATCHER, SECRETARY = "zhao_lei", "liu_fang"
NOW = MORNING + dt.timedelta(minutes=15)
WEEK = dt.timedelta(days=7)


@pytest.fixture(autouse=True)
def morning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of an hour after the tickets of the tests were opened."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[TestServer]:
    async with desk(database, tmp_path) as served:
        yield served


@pytest.fixture
async def dispatcher(server: TestServer) -> AsyncIterator[Browser]:
    async with browser(server, DISPATCHER) as found:
        yield found


@pytest.fixture
async def secretary(server: TestServer) -> AsyncIterator[Browser]:
    async with browser(server, SECRETARY) as found:
        yield found


@pytest.fixture
def number(database: Database) -> str:
    return open_ticket(database, resident(database)).number


# --- supervision ----------------------------------------------------------------------------


async def test_a_late_ticket_is_supervised_with_words(
    dispatcher: Browser, database: Database, number: str
):
    who = start_work(database, number)
    assert "/do/supervise" in await dispatcher.get(f"/desk/tickets/{number}")
    empty = await dispatcher.step(number, "supervise", note=" ")
    assert empty.status == 422 and "督办请写明要求" in await empty.text()
    assert (await dispatcher.step(number, "supervise", note="今天必须上门")).status == 200
    assert any("今天必须上门" in text for text in told(database, "member", who))
    assert "督办" in await dispatcher.get("/desk/queue")


async def test_nobody_supervises_their_own_work(
    server: TestServer, database: Database, number: str
):
    start_work(database, number)
    async with browser(server, ticket(database, number).assignee.key) as own:
        assert "/do/supervise" not in await own.get(f"/desk/tickets/{number}")
        assert (await own.step(number, "supervise", note="加急")).status == 422
    assert not ticket(database, number).supervised


# --- another item ---------------------------------------------------------------------------


async def test_a_wrongly_filed_ticket_is_put_right_and_the_resident_told(
    server: TestServer, dispatcher: Browser, database: Database, number: str
):
    before = ticket(database, number)
    assert "reclassify" in offered(await dispatcher.get(f"/desk/tickets/{number}"))
    assert "停水" in await dispatcher.get(f"/desk/tickets/{number}/do/reclassify")
    nothing = await dispatcher.step(number, "reclassify", item="")
    assert nothing.status == 422 and "请选择事项" in await nothing.text()
    same = await dispatcher.step(number, "reclassify", item=before.item_key)
    assert same.status == 422 and "请选择别的事项" in await same.text()
    done = await dispatcher.step(number, "reclassify", item="housing/water_supply", note="没漏水")
    assert done.status == 200
    after = ticket(database, number)
    assert (after.item_key, after.category) == ("housing/water_supply", "housing")
    assert (after.resolve_due, after.assignee_id) == (before.resolve_due, before.assignee_id)
    assert "没漏水" in await dispatcher.get(f"/desk/tickets/{number}")
    [notice] = [t for t in told(database, "resident", before.resident_id) if "现已改为" in t]
    assert "没漏水" not in notice  # the reason is for staff
    async with browser(server, "huang_wei") as elsewhere:
        refused = await elsewhere.step(number, "reclassify", item="housing/leak_repair")
        assert refused.status == 404


async def test_a_matter_that_turns_out_a_dispute_is_hidden_and_stays_so(
    dispatcher: Browser, database: Database, number: str
):
    await dispatcher.step(number, "reclassify", item="dispute/neighbour_noise")
    assert ticket(database, number).private
    await dispatcher.step(number, "reclassify", item="housing/leak_repair")
    assert ticket(database, number).private


# --- appeals --------------------------------------------------------------------------------


@pytest.fixture
def appealed(database: Database, number: str) -> str:
    """A ticket that the dispatcher rejected and the resident appealed about."""
    dispatcher = database.member_id(DISPATCHER)
    staff_steps.reject(database.factory, number, dispatcher, "不属于社区", MORNING)
    me = ticket(database, number).resident_id
    oversight.appeal(database.factory, number, me, "明明是公共管道", MORNING)
    return number


async def test_an_appeal_waits_with_those_who_decide_it_and_with_nobody_else(
    server: TestServer, dispatcher: Browser, secretary: Browser, database: Database, appealed: str
):
    open_ticket(database, resident(database), key="newer")
    assert "申诉待复核" in await secretary.get("/desk")
    queue = await secretary.get("/desk/queue")
    assert queue.index(appealed) < queue.index("待接单", queue.index("共 2 件"))  # on top
    assert appealed in await secretary.get("/desk/queue?show=appeal")
    page = await secretary.get(f"/desk/tickets/{appealed}")
    assert "明明是公共管道" in page and {"grant_appeal", "deny_appeal"} <= offered(page)

    assert "申诉待复核" not in await dispatcher.get("/desk")  # who declined it
    assert appealed not in await dispatcher.get("/desk/queue?show=appeal")
    page = await dispatcher.get(f"/desk/tickets/{appealed}")
    assert "明明是公共管道" in page and not offered(page) & {"grant_appeal", "deny_appeal"}
    refused = await dispatcher.step(appealed, "grant_appeal", note="可以")
    assert refused.status == 422 and "其他人复核" in await refused.text()
    assert any(
        "明明是公共管道" in text for text in told(database, "member", database.member_id(SECRETARY))
    )
    # A lead who stands below the dispatcher does not overrule the dispatcher.
    async with browser(server, "wang_haiyan") as below:
        assert appealed not in await below.get("/desk/queue?show=appeal")
        assert not offered(await below.get(f"/desk/tickets/{appealed}"))
        assert (await below.step(appealed, "grant_appeal", note="可以")).status == 422
    assert ticket(database, appealed).appeal == "open"
    async with browser(server, "he_jianping") as elsewhere:
        assert appealed not in await elsewhere.get("/desk/queue?show=appeal")


def offered(page: str) -> set[str]:
    return set(re.findall(r"/do/(\w+)\"", page))


async def test_a_granted_appeal_is_dispatched_anew(
    secretary: Browser, database: Database, appealed: str
):
    asked = await secretary.step(appealed, "grant_appeal", note="属公共部位", sure="")
    assert "确认申诉成立" in await asked.text()
    assert ticket(database, appealed).appeal == "open"
    assert (await secretary.step(appealed, "grant_appeal", note="属公共部位")).status == 200
    row = ticket(database, appealed)
    assert (row.status, row.appeal) == ("dispatched", "granted")
    assert "申诉待复核" not in await secretary.get("/desk")


async def test_a_denied_appeal_tells_the_resident_why(
    secretary: Browser, database: Database, appealed: str
):
    assert (await secretary.step(appealed, "deny_appeal", note="户内自修")).status == 200
    row = ticket(database, appealed)
    assert (row.status, row.appeal) == ("rejected", "denied")
    assert "户内自修" in told(database, "resident", row.resident_id)[-1]
    assert "/do/" not in await secretary.get(f"/desk/tickets/{appealed}")


async def test_what_the_street_declined_another_at_the_street_decides(
    server: TestServer, database: Database, number: str
):
    while ticket(database, number).level != "street":
        staff_steps.escalate(database.factory, number, holder(database, number), "办不了", MORNING)
    at_desk, head = "zhou_min", "chen_zhiyuan"
    staff_steps.reject(database.factory, number, database.member_id(at_desk), "不归街道管", MORNING)
    me = ticket(database, number).resident_id
    oversight.appeal(database.factory, number, me, "那归谁管", MORNING)
    async with browser(server, at_desk) as declined, browser(server, head) as decides:
        assert number not in await declined.get("/desk/queue?show=appeal")
        assert number in await decides.get("/desk/queue?show=appeal")
        assert (await decides.step(number, "grant_appeal", note="街道协调")).status == 200


# --- merging --------------------------------------------------------------------------------

ONE_PIPE = ["楼道水管漏水", "楼道的水管在漏水", "水管漏水到楼道了", "楼道水管坏了漏水"]


@pytest.fixture
def four(database: Database) -> list[str]:
    """Four residents about one pipe."""
    return [
        open_ticket(database, resident(database, f"r{n}"), words=words).number
        for n, words in enumerate(ONE_PIPE)
    ]


async def test_four_become_one_and_each_page_leads_to_the_other(
    dispatcher: Browser, database: Database, four: list[str]
):
    parent, *children = four
    page = await dispatcher.get(f"/desk/tickets/{parent}")
    assert "可能是同一件事（3）" in page and re.search(r"相似 \d+%", page)
    assert all(words in page for words in ONE_PIPE)
    none = await dispatcher.step(parent, "mark_duplicate", sure="")
    assert none.status == 422 and "请选择要并入的工单" in await none.text()
    asked = await dispatcher.step(parent, "mark_duplicate", ticket=children[0], sure="")
    assert "不能撤销" in await asked.text() and ticket(database, children[0]).parent_id is None
    fields = [("sure", "1"), ("ticket", children[0]), ("ticket", children[1])]
    fields.append(("other", f"{children[2].lower()}，"))
    response = await dispatcher.send(f"/desk/tickets/{parent}/do/mark_duplicate", fields)
    assert response.status == 303
    assert [ticket(database, n).status for n in children] == ["duplicate"] * 3
    page = await dispatcher.get(f"/desk/tickets/{parent}")
    assert "并入本单的工单（3）" in page and "可能是同一件事" not in page
    assert all(f'href="/desk/tickets/{child}"' in page for child in children)
    page = await dispatcher.get(f"/desk/tickets/{children[0]}")
    assert "已并入工单" in page and f'href="/desk/tickets/{parent}"' in page


async def test_who_merge_crosswise_at_once_get_one_merge(database: Database, four: list[str]):
    one, other = four[:2]
    people = [database.member_id(key) for key in (DISPATCHER, SECRETARY)]
    results = all_at_once(
        [
            lambda: merging.merge(database.factory, one, [other], people[0], "", MORNING),
            lambda: merging.merge(database.factory, other, [one], people[1], "", MORNING),
        ]
    )
    assert sorted(map(type, results), key=str) == sorted([type(None), WrongState], key=str)
    assert sorted(ticket(database, n).status for n in (one, other)) == ["dispatched", "duplicate"]


async def test_merging_is_not_offered_to_who_does_the_work_or_for_private_matters(
    server: TestServer, dispatcher: Browser, database: Database, four: list[str]
):
    async with browser(server, ticket(database, four[0]).assignee.key) as own:
        assert "同一件事" not in await own.get(f"/desk/tickets/{four[0]}")
        refused = await own.step(four[0], "mark_duplicate", ticket=four[1])
        assert refused.status in (404, 422)
    assert ticket(database, four[1]).status == "dispatched"
    unknown = await dispatcher.step(four[0], "mark_duplicate", other="LL-1")
    assert unknown.status == 422 and "没有找到" in await unknown.text()


# --- call-backs and their figures -----------------------------------------------------------


@pytest.fixture
def to_call(database: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """A ticket that nobody rated in a week and that is drawn for a call."""
    monkeypatch.setattr(drawing, "SHARES", {"proxy": 1.0, "unrated": 1.0, "sample": 1.0})
    before = MORNING - WEEK
    number = open_ticket(database, resident(database, now=before), now=before).number
    finish_work(database, number, before)
    ladder.sweep(database.factory, MORNING)
    with database.factory() as session:
        return number, session.scalars(select(CallBack.id)).one()


async def test_a_call_is_listed_made_and_gone(
    server: TestServer, dispatcher: Browser, database: Database, to_call: tuple[str, int]
):
    number, call = to_call
    assert "要回访的工单" in await dispatcher.get("/desk")
    page = await dispatcher.get("/desk/calls")
    assert number in page and "居民没有评价" in page
    assert "已更换水管" in await dispatcher.get(f"/desk/calls/{call}")
    path, form = f"/desk/calls/{call}", {"once": "a", "solved": "yes", "stars": "4"}
    refused = await dispatcher.send(path, {**form, "solved": ""})
    assert refused.status == 422 and "是否已解决" in await refused.text()
    for _ in range(2):  # a double tap
        assert (await dispatcher.send(path, form)).status == 303
    assert kinds(database, number).count("call_back") == 1
    assert "没有要回访的工单" in await dispatcher.get("/desk/calls")
    assert "独立回访：" in await dispatcher.get(f"/desk/tickets/{number}")
    late = await dispatcher.send(path, {**form, "once": "b"})
    assert late.status == 404 and "已经回访过" in await late.text()
    async with browser(server, ticket(database, number).assignee.key) as own:
        await own.get("/desk/calls", status=403)
        await own.get(f"/desk/calls/{call}", status=403)
        assert (await own.send(path, form)).status == 403


async def test_nobody_answers_and_the_call_stays_on_the_list(
    dispatcher: Browser, database: Database, to_call: tuple[str, int]
):
    number, call = to_call
    form = {"once": "a", "solved": "nobody"}
    for _ in range(2):  # a double tap
        assert (await dispatcher.send(f"/desk/calls/{call}", form)).status == 303
    page = await dispatcher.get("/desk/calls")
    assert number in page and "打过1次" in page
    assert "第1次没有打通" in await dispatcher.get(f"/desk/tickets/{number}")


async def test_unsolved_needs_words_and_reopens(
    dispatcher: Browser, database: Database, to_call: tuple[str, int]
):
    number, call = to_call
    path, form = f"/desk/calls/{call}", {"solved": "no"}
    refused = await dispatcher.send(path, form)
    assert refused.status == 422 and "居民怎么说" in await refused.text()
    assert (await dispatcher.send(path, {**form, "words": "夜里又漏了"})).status == 303
    row = ticket(database, number)
    assert row.status == "reopened"
    assert "已重新办理" in told(database, "resident", row.resident_id)[-1]
    assert "夜里又漏了" in await dispatcher.get(f"/desk/tickets/{number}")


async def test_a_ticket_that_was_reopened_meanwhile_is_not_called_about(
    database: Database, to_call: tuple[str, int]
):
    number, _ = to_call
    me = ticket(database, number).resident_id
    resident_steps.reopen(database.factory, number, me, "又漏了", clock.now())
    assert callbacks.to_call(database.factory, database.member_id(DISPATCHER)) == []


async def test_a_reopened_ticket_is_measured_by_its_new_round(database: Database, number: str):
    lead, later = database.member_id(DISPATCHER), MORNING + dt.timedelta(days=3)
    finish_work(database, number, later)  # a day was promised
    assert statistics(database.factory, lead, 0, later).response == Rate(0, 1)
    me = ticket(database, number).resident_id
    resident_steps.reopen(database.factory, number, me, "又漏了", later)
    assert statistics(database.factory, lead, 0, later).response == Rate(0, 0)  # not yet due anew
    due = ticket(database, number).contact_due
    ladder.sweep(database.factory, due)
    assert "contact_late" in ticket(database, number).alerts
    who = holder(database, number)
    staff_steps.contact(database.factory, number, who, "电话联系", due + dt.timedelta(hours=1))
    assert statistics(database.factory, lead, 0, later + WEEK).response == Rate(0, 1)


async def test_calls_are_counted_apart_from_ratings_and_from_silence(
    dispatcher: Browser, database: Database, to_call: tuple[str, int]
):
    called, call = to_call
    caller, now = database.member_id(DISPATCHER), clock.now()
    rated, silent = (open_ticket(database, resident(database, n)).number for n in ("a", "b"))
    for number in (rated, silent):
        finish_work(database, number)
    me = ticket(database, rated).resident_id
    resident_steps.rate(database.factory, rated, me, MORNING, stars=5)  # drawn for a call, too
    before = statistics(database.factory, caller, 30, now)
    assert (before.unrated, before.confirmed, before.calls) == (2, 0, Rate(0, 0))
    callbacks.called(database.factory, call, caller, now, solved=True, stars=2, words="还行")
    with database.factory() as session:
        other = session.scalars(select(CallBack.id).where(CallBack.id != call)).one()
    callbacks.called(database.factory, other, caller, now, solved=True, stars=1)
    after = statistics(database.factory, caller, 30, now)
    assert (after.unrated, after.confirmed, after.calls) == (1, 1, Rate(2, 2))
    assert (after.solved, after.satisfied) == (before.solved, before.satisfied) == (Rate(1, 1),) * 2

    assert "1 件居民没有评价、由回访确认" in await dispatcher.get("/desk/stats")
    shown = await dispatcher.get("/desk/queue?show=confirmed")
    assert called in shown and silent not in shown and rated not in shown
    assert called not in await dispatcher.get("/desk/queue?show=unrated")
    assert called not in await dispatcher.get("/desk/queue?show=unhappy")
    body = (await dispatcher.get("/desk/queue/export.csv")).lstrip("\ufeff")
    lines = {line["工单号"]: line for line in csv.DictReader(io.StringIO(body))}
    columns = ("评价方式", "居民评分", "回访评分")
    assert [[lines[n][c] for c in columns] for n in (called, rated, silent)] == [
        ["回访", "", "2"],
        ["居民评价", "5", ""],
        ["未评价", "", ""],
    ]


# --- co-handling ----------------------------------------------------------------------------


async def test_a_department_checks_in_and_finishes_from_its_list(
    server: TestServer, database: Database, number: str
):
    start_work(database, number)
    lead = database.member_id(DISPATCHER)
    whistle.whistle(database.factory, number, lead, ["zhujian"], "看看承重墙", MORNING)
    async with browser(server, "peng_yong") as department:
        todo = await department.get("/desk")
        assert "看看承重墙" in todo and f"/desk/tickets/{number}/do/check_in" in todo
        fields = {"from": "list", "once": "a"}
        assert (await department.step(number, "check_in", **fields)).status == 200
        assert "看看承重墙" not in await department.get("/desk")
        doing = await department.get("/desk?box=doing")
        assert f"/desk/tickets/{number}/do/co_done" in doing
        assert (await department.step(number, "co_done", note="承重墙没有问题")).status == 200
        assert "看看承重墙" in await department.get("/desk?box=done")


# --- dry run --------------------------------------------------------------------------------


async def test_a_dry_run_answers_who_why_and_why_not_the_others(
    server: TestServer, dispatcher: Browser, database: Database
):
    found = await dispatcher.get("/desk/items?q=漏水")
    assert "housing/leak_repair" in found and "medical/" not in found
    assert "没有找到" in await dispatcher.get("/desk/items?q=一二三四五")
    building = database.building_id("xingfuli_3")
    query = {"item": "housing/leak_repair", "building": str(building), "at": "2026-11-24T09:30"}
    answer = await dispatcher.get("/desk/what-if", params=query)
    assert "会派给 幸福里第一党小组楼栋长王秀兰" in answer and "没有派给的人" in answer
    assert told(database, "member") == []
    at_night = {**query, "at": "2026-11-24T03:00", "urgency": "danger"}
    assert "网格党支部" in await dispatcher.get("/desk/what-if", params=at_night)
    for change, words in (
        ({"item": ""}, "请选择事项"),
        ({"item": "none/none"}, "没有这个事项"),
        ({"building": "x"}, "没有这栋楼"),
        ({"building": str(database.building_id("guihuayuan_1"))}, "不在您的辖区"),
        ({"urgency": "x"}, "没有这个紧急程度"),
        ({"at": "yesterday"}, "时间填得不对"),
    ):
        assert words in await dispatcher.get("/desk/what-if", params={**query, **change})
    async with browser(server, "yang_jie") as member:
        await member.get("/desk/what-if", status=403)
