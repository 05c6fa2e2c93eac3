"""What a member of staff does with the phone over and over."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.desk_client import PASSWORD
from tests.desk_server import Desk


def log_in(page: Page, desk: Desk, name: str) -> Page:
    """Log in, and wait until the line for news is up."""
    page.goto(f"{desk.url}/desk")
    page.get_by_label("用户名").fill(name)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.get_by_label("实时连接正常")).to_be_visible()
    return page


def open_step(page: Page, title: str) -> Locator:
    """The sheet of a step, from the bar or from 「更多」 in it."""
    link = page.get_by_role("link", name=title, exact=True)
    if not link.is_visible():
        page.get_by_text("更多", exact=True).tap()
    link.tap()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_be_visible()
    return sheet


def done(sheet: Locator, *buttons: str) -> None:
    """Tap the buttons one after the other; the sheet then closes by itself."""
    for name in buttons:
        sheet.get_by_role("button", name=name, exact=True).tap()
    expect(sheet).to_be_hidden()
