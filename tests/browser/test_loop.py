"""The main job with nothing replaced: resident and staff in two browsers, four real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from bot.store.models import Member, Ticket, TicketEvent
from tests.databases import Database
from tests.desk_client import PASSWORD, photo
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(400)]
WORDS = "3号楼2单元501厨房漏水，楼上不管"
SLOW = 30_000  # ms; the machine runs four processes and a browser


@pytest.fixture
def stack(database: Database, trained_model: Path, tmp_path: Path) -> Iterator[Stack]:
    """All four processes on a database of this test."""
    started = Stack(tmp_path, database.url, LINLI_MODELS_DIR=str(trained_model.parent))
    try:
        yield started.start()
    finally:
        started.stop()


def the_ticket(database: Database) -> Ticket:
    with database.factory() as session:
        return session.scalars(select(Ticket)).one()


def assignee_key(database: Database) -> str:
    with database.factory() as session:
        return session.scalars(
            select(Member.key).join(Ticket, Ticket.assignee_id == Member.id)
        ).one()


def file_the_matter(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.desk_url}/chat")
    page.get_by_label("输入消息").fill(WORDS)
    page.get_by_role("button", name="发送", exact=True).tap()
    page.get_by_role("button", name="幸福里3号楼").tap(timeout=SLOW)
    page.get_by_role("button", name="确认提交").tap(timeout=SLOW)
    expect(page.get_by_text("已受理").first).to_be_visible(timeout=SLOW)


def log_in(page: Page, stack: Stack, name: str) -> None:
    page.goto(f"{stack.desk_url}/desk")
    page.get_by_label("用户名").fill(name)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.get_by_label("实时连接正常")).to_be_visible(timeout=SLOW)


def work_on_it(page: Page, number: str, picture: Path) -> None:
    card = page.get_by_role("listitem").filter(has_text=number)
    card.get_by_role("button", name="接单").tap(timeout=SLOW)
    page.get_by_role("link", name="记录联系").tap(timeout=SLOW)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("电话联系了，下午三点上门")
    dialog.get_by_role("button", name="记录联系").tap()
    expect(dialog).to_be_hidden(timeout=SLOW)
    page.get_by_role("link", name="办结").tap()
    dialog.get_by_role("textbox").fill("换了楼上的水管接头，试水不漏")
    dialog.locator("input[type=file]").set_input_files(picture)
    dialog.get_by_role("button", name="下一步").tap()
    dialog.get_by_role("button", name="确认办结").tap()
    expect(dialog).to_be_hidden(timeout=SLOW)


def test_from_a_resident_words_to_a_rated_ticket(
    stack: Stack,
    database: Database,
    phone: Callable[[], Page],
    shot: Callable[[Page, str], None],
    tmp_path: Path,
):
    resident, staff = phone(), phone()
    file_the_matter(resident, stack)
    number = the_ticket(database).number
    expect(resident.get_by_text(number).first).to_be_visible()
    shot(resident, "chat")
    log_in(staff, stack, assignee_key(database))
    expect(staff.get_by_text("派给我").first).to_be_visible(timeout=SLOW)
    shot(staff, "tasks")
    picture = tmp_path / "修好了.jpg"
    picture.write_bytes(photo((1200, 900)))
    work_on_it(staff, number, picture)
    shot(staff, "ticket")
    for words in ("已接单", "电话联系了，下午三点上门", "换了楼上的水管接头，试水不漏"):
        expect(resident.get_by_text(words).first).to_be_visible(timeout=SLOW)
    resident.get_by_role("radio", name="5星").tap(timeout=SLOW)
    resident.get_by_role("radio", name="已解决", exact=True).tap()
    shot(resident, "rating")
    resident.get_by_role("button", name="提交评价").tap()
    expect(staff.get_by_text("5星").first).to_be_attached(timeout=SLOW)
    ticket = the_ticket(database)
    assert (ticket.status, ticket.stars, ticket.solved) == ("closed", 5, True)
    resident.reload()
    expect(resident.get_by_text(WORDS).first).to_be_attached(timeout=SLOW)
    with database.factory() as session:
        kinds = session.scalars(select(TicketEvent.kind).order_by(TicketEvent.id)).all()
    assert kinds == ["submit", "dispatch", "accept", "contact", "resolve", "rate"]
