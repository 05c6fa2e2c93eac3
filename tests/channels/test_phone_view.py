"""The staff's loop on the emulated phones as a person sees them, in a real browser.

With SCREENSHOTS=<folder> in the environment the views are kept as pictures.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.channels.test_wecom_channel import Office, office  # noqa: F401 (a fixture)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium"),
]
FOLDER = os.environ.get("SCREENSHOTS", "")


async def look(page: Page, office: Office, user: str, name: str) -> str:  # noqa: F811
    """What the phone shows; kept as a picture when asked."""
    await page.goto(f"{office.emulator.base}/phone/{user}")
    if FOLDER:
        await page.locator(".phone").screenshot(path=Path(FOLDER) / f"wecom-{name}.png")
    return await page.locator(".chat").inner_text()


async def press(page: Page, office: Office, label: str) -> None:  # noqa: F811
    await page.get_by_role("button", name=label, exact=True).last.click()
    await office.settle()


async def write(page: Page, office: Office, text: str) -> None:  # noqa: F811
    await page.locator(".bar input[name=text]").fill(text)
    await page.get_by_role("button", name="发送").click()
    await office.settle()


async def test_accept_race_return_resolve_without_the_desk(office):  # noqa: F811
    office.open_ticket()
    await office.relay()
    first = office.holder()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 420, "height": 780})
        shown = await look(page, office, first, "1-card")
        assert "新任务：漏水维修" in shown and "幸福里3号楼" in shown
        await press(page, office, "退单")
        await look(page, office, first, "2-return")
        await write(page, office, "退单 今天请假")
        assert "已退单" in await look(page, office, first, "3-returned")
        second = office.holder()
        await look(page, office, second, "4-next")
        await press(page, office, "接单")
        assert "已接单" in await look(page, office, second, "5-accepted")
        await press(page, office, "发照片")
        await look(page, office, second, "6-photo")
        await write(page, office, "办结 厨房水管已修好")
        assert "附照片 1 张" in await look(page, office, second, "7-resolved")
        await browser.close()
    assert office.ticket.status == "resolved"


async def test_the_loser_of_a_race_sees_who_was_first(office):  # noqa: F811
    """A phone whose card still has its buttons, though somebody else has taken the task."""
    office.open_ticket()
    await office.relay()
    loser = office.holder()
    await office.say(loser, "退单 今天请假")
    winner = office.holder()
    await office.say(winner, "接单")
    office.emulator.cards_of(loser)[-1].pop("replaced")  # the update has not reached it yet
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 420, "height": 780})
        await look(page, office, loser, "8-race")
        await press(page, office, "接单")
        shown = await look(page, office, loser, "9-lost")
        assert "已被接单，不用处理了" in shown
        assert await page.locator(".card button").count() == 0
        assert await page.locator(".card .grey").inner_text() == "已被接单"
        assert "已接单" in await look(page, office, winner, "10-won")
        await browser.close()
    assert office.holder() == winner
