"""`python -m bot qr` and `menu` against the emulated platform."""

from __future__ import annotations

import asyncio

import pytest

from bot.channels.wechat_inward import MENU_WORDS
from bot.commands import wechat as commands
from bot.platforms.errors import reason
from tests.channels.conftest import APPID, SECRET, TOKEN
from tests.channels.house import make_settings


@pytest.fixture
def configured(sqlite_database, wechat_emulator, monkeypatch):
    config = make_settings(
        wechat_appid=APPID,
        wechat_secret=SECRET,
        wechat_token=TOKEN,
        wechat_api_base=wechat_emulator.base,
        public_url="https://linli.example",
    )
    monkeypatch.setattr(commands, "settings", lambda: config)
    monkeypatch.setattr(commands, "session_factory", lambda: sqlite_database.factory)
    return wechat_emulator


async def test_one_page_with_its_own_code_for_each_building(configured, tmp_path):
    out = tmp_path / "sheet.html"
    assert await asyncio.to_thread(commands.qr, str(out)) == 0
    text = out.read_text("utf-8")
    scenes = {scene for scene, until in configured.scenes.values() if until is None}
    assert text.count("<section>") == text.count("<svg") == len(scenes) > 1
    assert "幸福里3号楼" in text and "xingfuli_3" in scenes


async def test_the_published_menu_does_what_it_says(configured):
    assert await asyncio.to_thread(commands.menu) == 0
    buttons = [c for b in configured.menu for c in (b.get("sub_button") or [b])]
    assert {b["key"] for b in buttons if b["type"] == "click"} == set(MENU_WORDS)


async def test_a_refusal_is_told_in_chinese(configured, capsys):
    configured.fail("/cgi-bin/menu/create", 48001)
    assert await asyncio.to_thread(commands.menu) == 1
    assert reason(48001) in capsys.readouterr().err


def test_without_an_account_it_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(commands, "settings", make_settings)
    assert commands.menu() == 1 and commands.qr("x.html") == 1
    assert "LINLI_WECHAT_APPID" in capsys.readouterr().err
