"""A member of staff with a phone: a task arrives, is accepted, worked on and resolved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bot.services import clock, resident_steps, residents
from tests.browser.staff import log_in
from tests.desk_client import photo
from tests.desk_server import Desk
from tests.people import kinds, open_ticket, resident, start_work, ticket

pytestmark = pytest.mark.browser
Shot = Callable[[Page, str], None]


@pytest.fixture
def desk(morning_desk: Desk) -> Desk:
    return morning_desk


def test_a_task_arrives_live_and_is_worked_on_to_the_end(
    desk: Desk, phone: Callable[[], Page], shot: Shot, tmp_path: Path
):
    database, page = desk.database, phone()
    me = resident(database)
    residents.set_phone(database.factory, me, "13812341111")
    page.goto(f"{desk.url}/desk/login")
    shot(page, "desk-login")
    log_in(page, desk, "wang_xiulan")
    expect(page.get_by_text("没有待接的任务")).to_be_visible()
    shot(page, "desk-empty")

    words = "3号楼2单元501厨房漏水，楼上不管，墙皮都泡掉了"
    number = open_ticket(database, me, words=words, unit="2", room="501").number
    assert ticket(database, number).assignee.key == "wang_xiulan"
    card = page.get_by_role("listitem").filter(has_text=number)
    expect(card).to_be_visible()  # without reloading
    expect(page.get_by_role("status").get_by_text("新任务", exact=True)).to_be_visible()
    expect(page).to_have_title("(1) 我的任务 · 邻里")
    expect(card).to_contain_text("派给我")
    shot(page, "desk-tasks")

    card.get_by_role("button", name="接单").tap()
    expect(page.get_by_text("已接单，请尽快联系居民")).to_be_visible()
    page.get_by_role("button", name="查看电话").tap()
    expect(page.get_by_role("link", name="13812341111")).to_be_visible()
    shot(page, "desk-ticket")

    page.get_by_role("link", name="记录联系").tap()
    dialog = page.get_by_role("dialog", name="记录联系")
    expect(dialog.get_by_role("textbox")).to_be_focused()
    dialog.get_by_role("textbox").fill("电话联系了，约好下午三点上门看")
    dialog.get_by_role("button", name="记录联系").tap()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("电话联系了，约好下午三点上门看")).to_be_visible()

    picture = tmp_path / "修好了.jpg"
    picture.write_bytes(photo((1200, 900)))
    page.get_by_role("link", name="办结").tap()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("换了楼上的下水管接头，试水两小时不漏。")
    dialog.locator("input[type=file]").set_input_files(picture)
    expect(dialog.get_by_alt_text("已选照片 修好了.jpg")).to_be_visible()
    shot(page, "desk-resolve")
    dialog.get_by_role("button", name="下一步").tap()
    expect(dialog).to_contain_text("确认办结吗")
    shot(page, "desk-confirm")
    dialog.get_by_role("button", name="确认办结").tap()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("居民还没有评价")).to_be_visible()
    shown = page.get_by_alt_text("办结照片1")
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1200
    shot(page, "desk-done")
    expected = ["submit", "dispatch", "accept", "contact", "resolve"]
    assert kinds(database, number) == expected


def test_by_keyboard_alone(desk: Desk, phone: Callable[[], Page]):
    number = open_ticket(desk.database, resident(desk.database)).number
    start_work(desk.database, number)
    page = phone()
    log_in(page, desk, ticket(desk.database, number).assignee.key)
    page.goto(f"{desk.url}/desk/tickets/{number}")
    page.get_by_text("更多").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="上报").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="上报")
    expect(dialog.get_by_role("textbox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="记录", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    page.keyboard.type("上门看过，明天带配件来")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("上门看过，明天带配件来")).to_be_visible()


def test_what_is_being_typed_survives_news_of_the_ticket(desk: Desk, phone: Callable[[], Page]):
    database = desk.database
    number = open_ticket(database, resident(database)).number
    start_work(database, number)
    page = phone()
    log_in(page, desk, ticket(database, number).assignee.key)
    page.goto(f"{desk.url}/desk/tickets/{number}")
    expect(page.get_by_label("实时连接正常")).to_be_visible()
    page.get_by_role("link", name="记录", exact=True).tap()
    page.get_by_role("dialog").get_by_role("textbox").fill("写到一半")
    me = ticket(database, number).resident_id
    resident_steps.add(database.factory, number, me, "又开始漏了", clock.now(), key="m2")
    expect(page.get_by_role("status").get_by_text("提醒", exact=True)).to_be_attached()
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_have_value("写到一半")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="工单有新进展").tap()
    expect(page.get_by_role("listitem").filter(has_text="又开始漏了")).to_be_visible()


def test_a_dispatcher_narrows_the_queue_and_reads_the_figures(
    desk: Desk, phone: Callable[[], Page], shot: Shot
):
    database = desk.database
    me = resident(database)
    leak = open_ticket(database, me, words="厨房漏水，楼上不管").number
    lift = open_ticket(database, me, item="housing/lift", words="电梯停在五楼不动").number
    start_work(database, leak)
    page = phone()
    log_in(page, desk, "zhao_lei")
    page.get_by_role("link", name="工单").tap()
    expect(page.get_by_text("共 2 件")).to_be_visible()
    shot(page, "desk-queue")
    page.get_by_label("状态").select_option("办理中")
    expect(page.get_by_text("共 1 件")).to_be_visible()
    expect(page.get_by_text(lift)).to_be_hidden()
    page.get_by_label("状态").select_option("全部状态")
    page.get_by_label("搜工单号、内容、地点").fill("五楼")
    expect(page.get_by_text(leak)).to_be_hidden()
    expect(page.get_by_text(lift)).to_be_visible()
    page.get_by_role("link", name="统计").tap()
    expect(page.get_by_role("heading", name="三率")).to_be_visible()
    shot(page, "desk-stats")
    page.get_by_role("link", name="未办结").first.tap()
    expect(page.get_by_text("共 2 件")).to_be_visible()
