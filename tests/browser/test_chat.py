"""The chat page in a real browser, with a scripted dialogue behind it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from sqlalchemy import select

from bot.services import chat, residents
from bot.services.clock import now
from bot.services.inbox import Inbound
from bot.store.models import ChatMessage, InboxMessage, Resident
from tests.databases import Database
from tests.desk_server import Desk, Reply, say, serve

pytestmark = pytest.mark.browser

NUMBER = "LL-20261124-0001"
ROWS = [["事项", "漏水维修"], ["地点", "幸福里3号楼2单元501"], ["情况", "厨房漏水，楼上不管"]]
TICKET = {
    "type": "ticket",
    "number": NUMBER,
    "title": "漏水维修（幸福里3号楼）",
    "who": "青禾一网格网格员王芳",
    "phone": "13800001111",
    "due": "11月25日 18:00",
}


def script(message: Inbound) -> list[Reply]:
    """As much of a dialogue as the page needs."""
    if message.text.startswith("/set_home"):
        return [say("好的，已记下您的住址。")]
    if "漏水" in message.text:
        choices = ("确认提交", "/affirm"), ("改一改", "/correct"), ("不提交", "/deny")
        card = {"type": "confirm", "title": "请核对", "rows": ROWS}
        return [say("点确认即同意将以上信息用于办理。", *choices, card=card)]
    if message.text == "/affirm":
        return [say("已派出。", card=TICKET)]
    if message.kind == "image":
        return [say("照片收到了。")]
    return [say(f"收到：{message.media.get('label') or message.text}")]


@pytest.fixture
def desk(sqlite_database: Database, tmp_path: Path) -> Iterator[Desk]:
    with serve(sqlite_database, tmp_path, script) as desk:
        yield desk


@pytest.fixture
def page(phone: Callable[[], Page], desk: Desk) -> Page:
    page = phone()
    page.goto(f"{desk.url}/chat")
    return page


def write(page: Page, text: str) -> None:
    page.get_by_label("输入消息").fill(text)
    page.get_by_role("button", name="发送", exact=True).click()


def tell(desk: Desk, text: str, **more: object) -> None:
    """A notice, as the worker delivers it."""
    with desk.database.factory() as session:
        resident = session.scalars(select(Resident.id).order_by(Resident.id)).first()
    body = {"text": text, "number": NUMBER, "status": "accepted", **more}
    chat.put_notice(desk.database.factory, resident, body, dedup_key=text, now=now())


def kept(desk: Desk) -> list[tuple[str, str]]:
    with desk.database.factory() as session:
        rows = session.scalars(select(InboxMessage).order_by(InboxMessage.id))
        return [(row.kind, row.text) for row in rows]


def bubble(page: Page, text: str) -> object:
    return page.locator(".bubble", has_text=text)


def test_first_use_home_card_ticket_notice_and_rating(page, desk):
    page.get_by_role("button", name="幸福里", exact=True).click()
    page.get_by_role("button", name="3号楼", exact=True).click()
    expect(bubble(page, "我住在幸福里3号楼")).to_be_visible()
    expect(bubble(page, "已记下您的住址")).to_be_visible()

    write(page, "厨房漏水，楼上不管")
    card = page.locator(".card", has_text="请核对")
    expect(card).to_contain_text("幸福里3号楼2单元501")
    card.get_by_role("button", name="确认提交").click()
    expect(card.get_by_role("button", name="确认提交")).to_be_hidden()
    ticket = page.locator(".card", has_text="已受理")
    expect(ticket).to_contain_text(NUMBER)
    expect(ticket.get_by_role("link", name="13800001111")).to_have_attribute(
        "href", "tel:13800001111"
    )

    tell(desk, "网格员王芳已接单。")
    expect(page.get_by_text("网格员王芳已接单。")).to_be_visible()
    tell(desk, "已办结，请您评一评。", rate=True)
    page.get_by_role("radio", name="4星").check()
    expect(page.get_by_role("button", name="提交评价")).to_be_disabled()
    page.get_by_role("radio", name="已解决").check()
    page.get_by_role("button", name="提交评价").click()
    expect(page.get_by_text("已评价，谢谢您。")).to_be_visible()
    rating = f'/ticket_rate{{"ticket_number":"{NUMBER}","rating":4,"solved":true}}'
    assert kept(desk)[-1] == ("tap", rating)
    assert re.fullmatch(r'/set_home\{"building_id":\d+\}', kept(desk)[0][1])

    page.reload()
    expect(page.get_by_text("已评价，谢谢您。")).to_be_visible()
    expect(bubble(page, "厨房漏水，楼上不管")).to_have_count(1)
    expect(page.get_by_text("您住在哪个小区")).to_have_count(0)


def test_the_home_question_can_be_skipped_for_good(page):
    page.get_by_role("button", name="先跳过").click()
    page.reload()
    expect(bubble(page, "您好，我是邻里")).to_be_visible()
    expect(page.get_by_text("您住在哪个小区")).to_have_count(0)


def test_the_menu_and_the_examples(page, desk):
    page.get_by_role("button", name="查进度").click()
    expect(bubble(page, "收到：查进度")).to_be_visible()
    page.get_by_role("button", name="菜单").click()
    expect(bubble(page, "收到：菜单")).to_be_visible()
    assert kept(desk) == [("tap", "/ticket_status"), ("tap", "/menu")]
    page.get_by_role("button", name="我要反映").click()
    page.get_by_role("button", name="电梯坏了").click()
    expect(page.get_by_label("输入消息")).to_have_value("电梯坏了")


def test_typing_shows_until_the_answer_comes_however_late(page, desk):
    desk.answering = False
    write(page, "在吗")
    expect(page.get_by_text("对方正在输入…")).to_be_visible()
    tell(desk, "还在处理。")
    expect(page.get_by_text("对方正在输入…")).to_be_hidden()


def test_what_was_not_sent_can_be_sent_again_and_survives_a_reload(page, desk):
    write(page, "第一句")
    expect(bubble(page, "收到：第一句")).to_be_visible()
    page.route("**/chat/messages", lambda route: route.abort())
    write(page, "第二句")
    expect(page.get_by_text("消息没有发出去")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="重新发送")).to_be_visible()
    page.unroute("**/chat/messages")
    page.get_by_role("button", name="重新发送").click()
    expect(bubble(page, "收到：第二句")).to_be_visible()
    assert kept(desk) == [("text", "第一句"), ("text", "第二句")]


def test_a_message_whose_answer_was_lost_on_the_way_is_not_doubled(page, desk):
    def swallow(route: object) -> None:
        route.fetch()
        route.abort()

    page.route("**/chat/messages", swallow)
    write(page, "只说一遍")
    again = page.get_by_role("button", name="重新发送")
    expect(again).to_be_visible()
    page.unroute("**/chat/messages")
    again.click()
    expect(bubble(page, "收到：只说一遍")).to_be_visible()
    expect(page.locator(".line_mine")).to_have_count(1)
    assert kept(desk) == [("text", "只说一遍")]


def test_with_rasa_down_the_message_is_kept_and_the_page_waits(page, desk):
    desk.rasa_up = False
    write(page, "漏水")
    expect(page.get_by_text("对方正在输入…")).to_be_visible()
    expect(page.locator(".failed")).to_have_count(0)
    assert kept(desk) == [("text", "漏水")]


def test_a_photo_is_looked_at_and_sent(page, desk):
    photo = io.BytesIO()
    Image.effect_noise((2400, 1600), 90).convert("RGB").save(photo, "JPEG", quality=95)
    chosen = {"name": "漏水.jpg", "mimeType": "image/jpeg", "buffer": photo.getvalue()}
    page.locator("#file").set_input_files(chosen)
    page.locator("#preview").get_by_role("button", name="发送").click()
    expect(bubble(page, "照片收到了。")).to_be_visible()
    page.get_by_role("button", name=re.compile("我发的照片")).click()
    expect(page.get_by_role("img", name="放大的照片")).to_be_visible()


def test_a_pdf_named_jpg_is_refused_in_chinese(page, desk):
    fake = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"%PDF-1.7 " * 1000}
    page.locator("#file").set_input_files(fake)
    page.locator("#preview").get_by_role("button", name="发送").click()
    expect(page.get_by_role("alert")).to_contain_text("不是能识别的照片")
    expect(page.locator(".line_mine")).to_have_count(0)


def test_thirty_megabytes_are_refused_before_they_are_sent(page, tmp_path):
    huge = tmp_path / "x.jpg"
    huge.write_bytes(bytes(30 * 1024 * 1024))
    page.locator("#file").set_input_files(huge)
    expect(page.get_by_role("alert")).to_contain_text("10MB")


def test_a_text_that_is_too_long_comes_back_into_the_input(page):
    write(page, "水" * 10_001)
    expect(page.get_by_role("alert")).to_contain_text("太长")
    expect(page.get_by_label("输入消息")).to_have_value("水" * 10_001)


def test_html_is_shown_as_text(page):
    write(page, "<img src=x onerror=alert(1)><b>粗</b>")
    expect(bubble(page, "收到：<img src=x onerror=alert(1)><b>粗</b>")).to_be_visible()


def wait_until_read(page: Page, desk: Desk) -> None:
    with desk.database.factory() as session:
        resident = session.scalars(select(Resident.id)).one()
    while chat.unread(desk.database.factory, resident):
        page.wait_for_timeout(20)  # the page tells the desk, and nobody else


def test_old_lines_come_when_scrolling_up(page, desk):
    write(page, "第一句")
    expect(bubble(page, "收到：第一句")).to_be_visible()
    for number in range(60):
        tell(desk, f"通知第{number}条")
    expect(page.get_by_text("通知第59条")).to_be_in_viewport()
    wait_until_read(page, desk)
    page.reload()
    expect(page.get_by_text("通知第59条")).to_be_in_viewport()
    expect(page.get_by_text("通知第29条")).to_have_count(0)

    page.locator("#log").evaluate("log => log.scrollTo(0, 0)")
    expect(page.get_by_text("通知第29条")).to_have_count(1)
    expect(page.get_by_text("通知第30条")).to_be_in_viewport()
    texts = page.locator(".card__text_main").all_inner_texts()
    numbers = [int(re.sub(r"\D", "", text)) for text in texts]
    assert numbers == list(range(numbers[0], 60))


def test_what_came_meanwhile_is_marked_and_can_be_jumped_over(page, desk):
    write(page, "第一句")
    expect(bubble(page, "收到：第一句")).to_be_visible()
    wait_until_read(page, desk)
    page.goto("about:blank")
    for number in range(40):
        tell(desk, f"通知第{number}条")
    page.goto(f"{desk.url}/chat")
    expect(page.get_by_text("以下是新消息")).to_be_in_viewport()
    expect(page.get_by_text("通知第0条")).to_be_in_viewport()
    tell(desk, "又来一条")
    page.get_by_role("button", name="1 条新消息 ↓").click()
    expect(page.get_by_text("又来一条")).to_be_in_viewport()
    wait_until_read(page, desk)
    page.reload()
    expect(page.get_by_text("又来一条")).to_be_in_viewport()
    expect(page.get_by_text("以下是新消息")).to_have_count(0)


def test_two_tabs_of_one_phone_show_the_same_chat(page, desk):
    write(page, "在吗")
    expect(bubble(page, "收到：在吗")).to_be_visible()
    second = page.context.new_page()
    second.goto(f"{desk.url}/chat")
    write(second, "第二页说的")
    expect(bubble(page, "收到：第二页说的")).to_be_visible()


def test_the_page_can_be_used_with_the_keyboard_alone(page, desk):
    page.get_by_label("输入消息").focus()
    page.keyboard.type("漏水了")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="确认提交")).to_be_visible()
    page.keyboard.press("Escape")
    for _ in range(60):  # round through the head, the log and the choices
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "确认提交":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".card", has_text="已受理")).to_be_visible()


def test_what_readers_of_the_screen_are_told(page):
    log = page.get_by_role("log", name="聊天记录")
    expect(log).to_have_attribute("aria-live", "polite")
    for name in ("我要反映", "查进度", "菜单", "发照片"):
        expect(page.get_by_role("button", name=name)).to_be_visible()
    write(page, "在吗")
    expect(log.get_by_text("我：")).to_have_count(1)
    for call in ("110", "119", "120"):
        expect(page.get_by_role("link", name=call)).to_have_attribute("href", f"tel:{call}")


def test_deleted_data_leaves_the_screen_and_the_chat_goes_on(page, desk):
    def forgetting(message: Inbound) -> list[Reply]:
        if "删除" in message.text:
            with desk.database.factory() as session:
                resident = session.scalars(select(Resident.id)).one()
            residents.forget(desk.database.factory, resident, now())
            return [say("已删除您的个人信息。")]
        return script(message)

    desk.script = forgetting
    write(page, "我的秘密")
    expect(bubble(page, "收到：我的秘密")).to_be_visible()
    write(page, "删除我的数据")
    expect(bubble(page, "已删除您的个人信息。")).to_be_visible()
    expect(page.get_by_text("我的秘密")).to_have_count(0)
    write(page, "你好")
    expect(bubble(page, "收到：你好")).to_be_visible()
    page.reload()
    expect(bubble(page, "收到：你好")).to_be_visible()
    expect(page.get_by_text("已删除")).to_have_count(0)


def test_every_line_is_kept_once(page, desk):
    for number in range(5):
        write(page, f"第{number}句")
    expect(bubble(page, "收到：第4句")).to_be_visible()
    with desk.database.factory() as session:
        lines = session.scalars(select(ChatMessage).order_by(ChatMessage.id)).all()
    said = [line.body["text"] for line in lines if line.direction == "in"]
    assert said == [f"第{number}句" for number in range(5)]
    expect(page.locator(".line_mine")).to_have_count(5)
