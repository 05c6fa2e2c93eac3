"""Scenes of a ticket's wider life at the desk: who sees it, who decides, what cannot be undone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from bot.services import clock, drawing, ladder, oversight, residents, staff_steps
from bot.store.models import Member
from bot.store.models_life import CoTask
from tests.browser.staff import done, log_in, open_step
from tests.databases import Database
from tests.desk_server import Desk, serve
from tests.people import (
    MORNING,
    finish_work,
    holder,
    kinds,
    open_ticket,
    resident,
    start_work,
    ticket,
)

pytestmark = pytest.mark.browser
Phone = Callable[[], Page]
Shot = Callable[[Page, str], None]
DISPATCHER, SECRETARY, GRID_LEAD, STREET = "zhao_lei", "liu_fang", "wang_haiyan", "chen_zhiyuan"
WEEK = dt.timedelta(days=7)


class Hand:
    """The hand of the clock, which only a scene moves."""

    at = MORNING

    def sweep(self, database: Database, at: dt.datetime) -> None:
        """It is `at`, and the worker looks at the clocks."""
        self.at = at
        ladder.sweep(database.factory, at)


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    found = Hand()
    monkeypatch.setattr(clock, "now", lambda: found.at)
    return found


@pytest.fixture
def desk(sqlite_database: Database, hand: Hand, tmp_path: Path) -> Iterator[Desk]:
    """The real application on a Tuesday morning.

    On one database, as a scene takes seconds; what the pages call is tested on both.
    """
    with serve(sqlite_database, tmp_path) as served:
        yield served


@pytest.fixture
def number(desk: Desk) -> str:
    return open_ticket(desk.database, resident(desk.database)).number


def key_of(database: Database, number: str) -> str:
    return str(ticket(database, number).assignee.key)


def go(page: Page, desk: Desk, number: str) -> Page:
    page.goto(f"{desk.url}/desk/tickets/{number}")
    return page


def test_returned_twice_it_is_locked_until_a_dispatcher_sends_it_on(
    desk: Desk, phone: Phone, number: str
):
    database = desk.database
    first = holder(database, number)
    staff_steps.return_ticket(database.factory, number, first, "不会修水管", MORNING)
    second = go(log_in(phone(), desk, key_of(database, number)), desk, number)
    sheet = open_step(second, "退单")
    sheet.get_by_label("退单原因").fill("要专业维修队")
    done(sheet, "下一步", "确认退单")
    assert ticket(database, number).locked

    lead = log_in(phone(), desk, DISPATCHER)
    lead.get_by_role("link", name="工单").tap()
    lead.get_by_role("listitem").filter(has_text="待人工派单").first.tap()
    sheet = open_step(lead, "派单")
    sheet.get_by_label("按姓名搜索").fill("杨洁")
    expect(sheet.get_by_role("radio")).to_have_count(1)
    sheet.get_by_role("radio").check()
    done(sheet, "派单")
    row = ticket(database, number)
    assert (row.locked, row.status, row.assignee.key) == (False, "dispatched", "yang_jie")


def test_three_departments_check_in_on_a_whistle(desk: Desk, phone: Phone, number: str, shot: Shot):
    database = desk.database
    start_work(database, number)
    lead = go(log_in(phone(), desk, DISPATCHER), desk, number)
    sheet = open_step(lead, "吹哨")
    for name in ("民政局", "住建局", "派出所"):
        sheet.get_by_label(name).check()
    sheet.get_by_label("请部门做什么").fill("下午三点到现场会商")
    done(sheet, "吹哨")
    with database.factory() as session:
        query = select(Member.key).join(CoTask, CoTask.member_id == Member.id)
        called = session.scalars(query.order_by(CoTask.id)).all()
    for n, key in enumerate(called, 1):
        department = log_in(phone(), desk, key)
        expect(department.get_by_text("下午三点到现场会商")).to_be_visible()
        shot(department, "life-department")
        department.get_by_role("button", name="报到").tap()
        expect(department.get_by_role("link", name="会办完成")).to_be_visible()
        expect(lead.get_by_text("已报到", exact=True)).to_have_count(n)  # without reloading
    assert kinds(database, number)[-4:] == ["whistle", "check_in", "check_in", "check_in"]
    department.goto(f"{desk.url}/desk?box=doing")
    department.get_by_role("link", name="会办完成").tap()
    department.get_by_label("部门做了什么").fill("查过现场，没有治安问题")
    department.get_by_role("button", name="会办完成").tap()
    expect(department.get_by_text("会办已完成，已告诉承办人")).to_be_visible()
    expect(lead.get_by_text("结果：查过现场，没有治安问题")).to_be_visible()


def test_four_tickets_about_one_pipe_become_one(desk: Desk, phone: Phone, shot: Shot):
    database = desk.database
    words = ["楼道水管漏水", "楼道的水管在漏水", "水管漏水到楼道了", "楼道水管坏了漏水"]
    parent, *children = [
        open_ticket(database, resident(database, f"r{n}"), words=said).number
        for n, said in enumerate(words)
    ]
    page = go(log_in(phone(), desk, DISPATCHER), desk, parent)
    similar = page.get_by_role("region", name="可能是同一件事（3）")
    similar.scroll_into_view_if_needed()
    shot(page, "life-similar")
    for said in words[1:]:
        similar.get_by_role("checkbox", name=said).check()
    similar.get_by_role("button", name="把选中的并入本单").tap()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("不能撤销")
    shot(page, "life-merge")
    done(sheet, "确认并单")
    merged = page.get_by_role("region", name="并入本单的工单（3）")
    expect(merged.get_by_role("listitem")).to_have_count(3)
    assert [ticket(database, n).status for n in children] == ["duplicate"] * 3
    merged.get_by_role("link", name=children[1]).tap()
    expect(page.get_by_text("已并入工单")).to_be_visible()
    shot(page, "life-merged")
    page.get_by_role("link", name=parent).tap()
    expect(merged).to_be_visible()


def test_a_pause_is_granted_by_another_and_ends_at_the_cap(
    desk: Desk, hand: Hand, phone: Phone, number: str
):
    database = desk.database
    start_work(database, number)
    own = go(log_in(phone(), desk, key_of(database, number)), desk, number)

    def ask() -> None:
        sheet = open_step(own, "申请挂起")
        sheet.get_by_role("radio", name="等第三方").check()
        sheet.get_by_label("挂起原因").fill("等厂家发配件")
        sheet.get_by_role("button", name="申请挂起").tap()

    ask()
    expect(own.get_by_text("已提交申请")).to_be_visible()
    lead = go(log_in(phone(), desk, GRID_LEAD), desk, number)
    expect(lead.get_by_text("等待审批")).to_be_visible()
    done(open_step(lead, "同意挂起"), "同意挂起")
    expect(own.get_by_text("挂起中不计时")).to_be_visible()  # without reloading
    until = ticket(database, number).next_check_at
    assert clock.CALENDAR.between(MORNING, until) == 10 * clock.CALENDAR.day_length
    hand.sweep(database, until)
    assert ticket(database, number).status == "in_progress"
    log_in(own, desk, key_of(database, number))  # two weeks later
    go(own, desk, number)
    expect(own.get_by_text("挂起时间已到上限，自动恢复")).to_be_visible()
    ask()
    expect(own.get_by_role("alert")).to_contain_text("累计挂起时间已到上限")


def test_of_two_who_accept_the_second_reads_that_it_is_taken(desk: Desk, phone: Phone, number: str):
    database = desk.database
    slow = phone()
    log_in(slow, desk, key_of(database, number))
    slow.context.route("**/desk/stream*", lambda route: route.abort())  # a lift without a network
    go(slow, desk, number)
    dispatcher = database.member_id(DISPATCHER)
    staff_steps.dispatch_to(database.factory, number, dispatcher, "yang_jie", MORNING)
    quick = go(log_in(phone(), desk, "yang_jie"), desk, number)
    quick.get_by_role("button", name="接单").tap()
    expect(quick.get_by_text("已接单，请尽快联系居民")).to_be_visible()
    slow.get_by_role("button", name="接单").tap()
    expect(slow.get_by_role("alert")).to_contain_text("已被接单")
    slow.get_by_role("link", name="刷新工单").tap()
    expect(slow.get_by_role("button", name="接单")).to_have_count(0)
    assert kinds(database, number).count("accept") == 1
    assert key_of(database, number) == "yang_jie"


def test_a_private_dispute_is_seen_by_nobody_who_has_no_part_in_it(desk: Desk, phone: Phone):
    database = desk.database
    me = resident(database)
    number = open_ticket(database, me, item="dispute/neighbour_noise", words="楼上打孩子").number
    own = log_in(phone(), desk, key_of(database, number))
    own.get_by_role("link", name="查看").tap()
    expect(own.get_by_text("保密", exact=True)).to_be_visible()
    for name in (STREET, "yang_jie"):  # two levels up, and a colleague of the same grid
        other = log_in(phone(), desk, name)
        other.goto(f"{desk.url}/desk/queue?text=楼上打孩子")
        expect(other.get_by_text("没有符合条件的工单")).to_be_visible()
        go(other, desk, number)
        expect(other.get_by_text("没有找到，或不在您的查看范围内。")).to_be_visible()
        expect(other.get_by_text("楼上打孩子")).to_have_count(0)


def test_an_appeal_is_found_read_and_decided(desk: Desk, phone: Phone, number: str, shot: Shot):
    database = desk.database
    dispatcher = database.member_id(DISPATCHER)
    staff_steps.reject(database.factory, number, dispatcher, "户内管道请自修", MORNING)
    me = ticket(database, number).resident_id
    oversight.appeal(database.factory, number, me, "是楼道里的公共水管", MORNING)
    page = log_in(phone(), desk, SECRETARY)
    shot(page, "life-waiting")
    page.get_by_role("link", name="申诉待复核").tap()
    page.get_by_role("listitem").filter(has_text=number).tap()
    expect(page.get_by_role("status").filter(has_text="是楼道里的公共水管")).to_be_visible()
    shot(page, "life-appeal")
    sheet = open_step(page, "申诉成立")
    expect(sheet).to_contain_text("是楼道里的公共水管")
    sheet.get_by_label("复核意见").fill("看过现场，是公共部位")
    done(sheet, "下一步", "确认申诉成立")
    expect(page.get_by_text("申诉成立，已重新派单")).to_be_visible()
    row = ticket(database, number)
    assert (row.status, row.appeal) == ("dispatched", "granted")


def test_nobody_accepts_and_it_climbs_to_the_street_and_is_supervised(
    desk: Desk, hand: Hand, phone: Phone, number: str
):
    database = desk.database
    seen = [ticket(database, number).level]
    while not ticket(database, number).supervised:
        hand.sweep(database, ticket(database, number).next_check_at)
        seen.append(ticket(database, number).level)
    assert seen == ["building_group", "grid", "community", "street", "street"]
    page = log_in(phone(), desk, STREET)
    page.get_by_role("link", name="工单").tap()
    card = page.get_by_role("listitem").filter(has_text=number)
    expect(card.get_by_text("督办", exact=True)).to_be_visible()
    card.tap()
    history = page.get_by_role("region", name="办理经过")
    expect(history.get_by_text("上报", exact=True)).to_have_count(3)
    expect(history.get_by_text("街道仍未接单，督办")).to_be_visible()
    sheet = open_step(page, "督办")
    sheet.get_by_label("督办要求").fill("今天必须有人上门")
    done(sheet, "督办")
    expect(history.get_by_text("今天必须有人上门")).to_be_visible()


def test_an_independent_call_hears_that_it_is_not_solved(
    desk: Desk, phone: Phone, shot: Shot, monkeypatch: pytest.MonkeyPatch
):
    database = desk.database
    monkeypatch.setattr(drawing, "SHARES", {"proxy": 1.0, "unrated": 1.0, "sample": 1.0})
    me = resident(database, now=MORNING - WEEK)
    residents.set_phone(database.factory, me, "13812341111")
    number = open_ticket(database, me, now=MORNING - WEEK).number
    finish_work(database, number, MORNING - WEEK)
    ladder.sweep(database.factory, MORNING)
    page = log_in(phone(), desk, DISPATCHER)
    page.get_by_role("link", name="要回访的工单").tap()
    shot(page, "life-calls")
    page.get_by_role("listitem").filter(has_text=number).tap()
    page.get_by_role("button", name="查看电话").tap()
    expect(page.get_by_role("link", name="13812341111")).to_be_visible()
    page.get_by_label("未解决，工单重新办理").check()
    page.get_by_label("居民的话").fill("换了水管还是漏")
    shot(page, "life-call")
    page.get_by_role("button", name="记录回访").tap()
    expect(page.get_by_text("已记录，工单已重新办理")).to_be_visible()
    expect(page.get_by_text("没有要回访的工单")).to_be_visible()
    row = ticket(database, number)
    assert (row.status, row.reopen_count, row.rated_at) == ("reopened", 1, None)


def test_a_dispatcher_asks_to_whom_a_matter_would_go(desk: Desk, phone: Phone, shot: Shot):
    page = log_in(phone(), desk, DISPATCHER)
    page.get_by_role("link", name="我的").tap()
    page.get_by_role("link", name="派单试算").tap()
    page.get_by_label("搜事项").fill("漏水")
    expect(page.get_by_role("radio", name="电梯")).to_have_count(0)
    page.get_by_role("radio", name="漏水维修").check()
    page.get_by_label("在哪栋楼").select_option("幸福里3号楼")
    page.get_by_label("紧急程度").select_option("紧急")
    page.get_by_label("什么时候").fill("2026-11-24T03:00")
    shot(page, "life-what-if")
    page.get_by_role("button", name="试算").tap()
    answer = page.get_by_role("region", name="会派给")
    expect(answer).to_contain_text("没有派给的人")
    shot(page, "life-what-if-answer")
