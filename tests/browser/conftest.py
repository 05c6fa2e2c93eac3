"""A real Chromium at phone width; where there is none, the browser tests are skipped."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bot.services import clock
from tests.databases import Database
from tests.desk_server import Desk, serve
from tests.people import MORNING

expect.set_options(timeout=20_000)  # ms; an upper bound for a busy machine, not a wait
PHONE = {"width": 390, "height": 844}
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, once a module.

    Not once a session: as long as Playwright runs, its event loop counts as this thread's, and no
    asynchronous test could run after a browser test.
    """
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Callable[[], Page]]:
    """Opens a page of a fresh phone each time; a script error on any of them fails the test."""
    contexts, errors = [], []

    def open_page() -> Page:
        context = chromium.new_context(
            viewport=PHONE,
            device_scale_factor=2,
            is_mobile=True,
            has_touch=True,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Keeps a picture of a page in the folder that SCREENSHOTS names; without one, takes none."""
    folder = os.environ.get("SCREENSHOTS")

    def take(page: Page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.wait_for_load_state()  # in the middle of a change of page there is no picture
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take


@pytest.fixture
def morning_desk(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """The real application on both databases, on a Tuesday morning; its clock runs on."""
    started = time.monotonic()
    monkeypatch.setattr(
        clock, "now", lambda: MORNING + dt.timedelta(seconds=time.monotonic() - started)
    )
    with serve(database, tmp_path) as served:
        yield served
