"""Filing for an elder, and a small wish from posting to credited hours, on phones."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from bot.services import clock, double_reporting
from bot.services.double_reporting import SignUp
from bot.services.inbox import Inbound
from bot.store.models import Resident, Ticket
from bot.store.models_life import Errand
from bot.worker import relay
from tests.browser.staff import log_in
from tests.databases import Database
from tests.desk_client import photo
from tests.desk_server import Desk, Reply, Script, say
from tests.people import MORNING

pytestmark = pytest.mark.browser
Shot = Callable[[Page, str], None]


@pytest.fixture
def desk(morning_desk: Desk) -> Desk:
    return morning_desk


def test_a_building_head_files_for_an_elder(
    desk: Desk, phone: Callable[[], Page], shot: Shot, tmp_path: Path
):
    page, database = phone(), desk.database
    log_in(page, desk, "wang_xiulan")
    shot(page, "tasks-with-proxy")
    page.get_by_role("link", name="代办").tap()
    shot(page, "proxy-empty")
    page.get_by_role("button", name="提交").tap()
    expect(page.get_by_label("居民姓名")).to_be_focused()  # the first that is missing
    page.get_by_label("居民姓名").fill("何奶奶")
    page.get_by_label("住在哪栋楼").select_option("幸福里3号楼")
    page.get_by_label("单元").fill("2")
    page.get_by_label("门牌号").fill("501")
    page.get_by_label("联系电话").fill("123")
    page.get_by_label("搜事项").fill("漏水")
    expect(page.get_by_role("radio", name="电梯")).to_be_hidden()
    page.get_by_role("radio", name="漏水维修").check()
    page.get_by_label("具体情况").fill("厨房水管漏水，接了两天盆")
    page.get_by_label("本人怎么同意的").fill("今天上门，当面口头同意")
    picture = tmp_path / "漏水.jpg"
    picture.write_bytes(photo((1200, 900)))
    page.locator("input[type=file]").set_input_files(picture)
    expect(page.get_by_alt_text("已选照片 漏水.jpg")).to_be_visible()
    shot(page, "proxy-filled")
    page.get_by_role("button", name="提交").tap()
    expect(page.get_by_role("alert")).to_contain_text("手机号应为11位")
    expect(page.get_by_label("居民姓名")).to_have_value("何奶奶")
    expect(page.get_by_role("radio", name="漏水维修")).to_be_checked()
    shot(page, "proxy-error")
    page.get_by_label("联系电话").fill("13812345678")
    page.get_by_role("button", name="提交").dblclick()
    expect(page.get_by_text("何奶奶 · 漏水维修")).to_be_visible()
    shot(page, "proxy-filed")
    with database.factory() as session:
        [ticket] = session.scalars(select(Ticket)).all()
    page.get_by_role("link", name="何奶奶 · 漏水维修").tap()
    expect(page.get_by_text("楼栋长王秀兰代居民提交")).to_be_visible()
    expect(page.get_by_alt_text("居民上传的照片1")).to_be_visible()
    shot(page, "proxy-ticket")
    assert ticket.place_text == "幸福里3号楼2单元501室"


def test_a_wish_from_posting_to_credited_hours(desk: Desk, phone: Callable[[], Page], shot: Shot):
    database, lead, resident = desk.database, phone(), phone()
    resident.goto(f"{desk.url}/chat")
    resident.get_by_label("输入消息").fill("你好")
    resident.get_by_role("button", name="发送", exact=True).tap()
    expect(resident.get_by_text("收到：你好")).to_be_visible()
    volunteer = sign_up(database)
    log_in(lead, desk, "wang_haiyan")
    lead.get_by_role("link", name="我的").tap()
    lead.get_by_role("link", name="双报到和微心愿").tap()
    expect(lead.get_by_text("还没有微心愿")).to_be_visible()
    shot(lead, "errands-empty")
    lead.get_by_role("textbox", name="心愿").fill("给李爷爷换客厅灯泡")
    lead.get_by_label("需要什么技能").select_option("维修")
    lead.get_by_label("希望的时间").fill("2026-11-25T19:00")
    lead.get_by_role("button", name="发布").tap()
    expect(lead.get_by_text("合适的志愿者 1 位")).to_be_visible()
    shot(lead, "errands-open")
    deliver(database)
    offer = resident.get_by_role("button", name="我来")
    expect(offer).to_be_visible()
    expect(resident.get_by_text("微心愿", exact=True)).to_be_visible()
    shot(resident, "chat-wish")
    desk.script = take_script(database, volunteer)
    offer.tap()
    expect(resident.get_by_text("由您来办")).to_be_visible()
    lead.reload()
    # On the card; a toast of the same words may come as well.
    expect(lead.get_by_role("main").get_by_text("孟庆华认领")).to_be_visible()
    lead.get_by_label("用时（分钟）").fill("90")
    shot(lead, "errands-taken")
    lead.get_by_role("button", name="确认完成").tap()
    expect(lead.get_by_text("记入1小时30分钟")).to_be_visible()
    shot(lead, "errands-done")
    deliver(database)
    expect(resident.get_by_text("累计1小时30分钟")).to_be_visible()
    shot(resident, "chat-hours")


def chat_resident(database: Database) -> int:
    """The one visitor of the chat page."""
    with database.factory() as session:
        return session.scalars(select(Resident.id).where(Resident.channel == "webchat")).one()


def sign_up(database: Database) -> int:
    """That visitor has signed up before; returns the volunteer's id."""
    offer = SignUp("member", "孟庆华", "13800002222", "xinglin", ["repair"])
    who = chat_resident(database)
    return double_reporting.sign_up(database.factory, offer, MORNING, resident_id=who)


def deliver(database: Database) -> None:
    """What the worker does, in the evening, when offers go out."""
    senders = {"webchat": relay.webchat_sender(database.factory), "desk": relay.desk_sender}
    senders["wecom"] = relay.desk_sender
    sending = relay.relay(database.factory, senders, MORNING + dt.timedelta(hours=9))
    with ThreadPoolExecutor(1) as thread:  # Playwright's event loop holds this one
        thread.submit(asyncio.run, sending).result()


def take_script(database: Database, volunteer: int) -> Script:
    """The dialogue's part of 「我来」, by the service that its action calls."""

    def script(message: Inbound) -> list[Reply]:
        assert message.text.startswith("/volunteer")
        with database.factory() as session:
            errand = session.scalars(select(Errand)).one()
        double_reporting.take(database.factory, errand.id, volunteer, clock.now())
        return [say(f"谢谢您！「{errand.title}」由您来办。")]

    return script
