"""Commands around WeChat: emulators to play with, the custom menu, QR codes of the buildings."""

from __future__ import annotations

import asyncio
import html
import importlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import aiohttp
import segno
from sqlalchemy import select

from bot.platforms.client import ApiClient
from bot.platforms.errors import PlatformError
from bot.platforms.wechat import WeChatApi
from bot.settings import ROOT, Settings, settings
from bot.store.db import session_factory
from bot.store.models import Building

T = TypeVar("T")
NOT_SET = "还没有设置公众号：请先填 LINLI_WECHAT_APPID 等几项（见 docs/wechat.md）。"
SHEET = """<!doctype html>
<html lang="zh"><meta charset="utf-8"><title>楼栋二维码</title>
<style>
body{{font-family:system-ui,"Noto Sans CJK SC",sans-serif;margin:0}}
section{{page-break-after:always;text-align:center;padding:24mm 20mm;box-sizing:border-box}}
h1{{font-size:30pt;margin:0 0 4mm}}p{{font-size:16pt;margin:3mm 0}}
svg{{width:110mm;height:110mm}}small{{font-size:11pt;color:#555}}
</style>
{pages}
</html>
"""
PAGE = """<section>
<h1>{name}</h1>
<p>家里有事、楼里有事，扫码说一声</p>
{code}
<p>微信扫一扫，一句话就能反映问题，随时查进度</p>
<small>扫码后自动登记为本楼居民；取消关注即删除个人信息</small>
</section>"""


def emulate(platform: str, options: list[str]) -> int:
    """Serve an emulated platform; it lives with the tests, for the product does not need it."""
    sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]
    settings()  # reads .env into the environment, so that both sides agree
    module = importlib.import_module(f"tests.emulators.{platform}")
    return int(module.main(options))


def qr(out: str) -> int:
    """Write a printable sheet, one page per building."""
    config = settings()
    if not config.wechat_enabled:
        print(NOT_SET, file=sys.stderr)
        return 1
    buildings = _buildings()
    return _run(config, lambda api: _write_sheet(api, buildings, Path(out)))


def _buildings() -> list[tuple[str, str]]:
    """(key, name) of the active buildings."""
    with session_factory()() as session:
        rows = session.scalars(
            select(Building).where(Building.active).order_by(Building.estate, Building.id)
        )
        return [(row.key, row.name_in_estate) for row in rows]


async def _write_sheet(api: WeChatApi, buildings: list[tuple[str, str]], out: Path) -> None:
    pages = []
    for key, name in buildings:
        pages.append(page(name, await api.create_qr(key)))
    text = SHEET.format(pages="\n".join(pages))
    await asyncio.to_thread(out.write_text, text, "utf-8")
    print(f"已写好 {len(pages)} 张楼栋码：{out}（用浏览器打开后打印，每栋一页）")


def page(name: str, address: str) -> str:
    """One building's page; error correction high, for sheets in stairwells get scratched."""
    code = segno.make(address, error="h").svg_inline(scale=4, border=2)
    return PAGE.format(name=html.escape(name), code=code)


def menu_buttons(config: Settings) -> list[dict]:
    """The account's custom menu; keys are those of `bot.channels.wechat_inward.MENU_WORDS`."""
    return [
        {"type": "click", "name": "我要反映", "key": "report"},
        {"type": "click", "name": "我的工单", "key": "tickets"},
        {
            "name": "更多",
            "sub_button": [
                {"type": "click", "name": "能帮您做什么", "key": "guide"},
                {"type": "click", "name": "近期会议", "key": "meeting"},
                {"type": "click", "name": "转人工", "key": "human"},
                {"type": "view", "name": "聊天记录", "url": f"{config.public_url}/wechat/login"},
            ],
        },
    ]


def menu() -> int:
    """Publish the custom menu."""
    config = settings()
    if not config.wechat_enabled:
        print(NOT_SET, file=sys.stderr)
        return 1

    async def publish(api: WeChatApi) -> None:
        await api.publish_menu(menu_buttons(config))
        print("菜单已发布。重新进入公众号即可看到（微信最多缓存 5 分钟）。")

    return _run(config, publish)


def _run(config: Settings, use: Callable[[WeChatApi], Awaitable[None]]) -> int:
    async def with_api() -> None:
        async with aiohttp.ClientSession() as http:
            client = ApiClient(http, config.wechat_api_base)
            await use(
                WeChatApi(
                    client,
                    session_factory(),
                    appid=config.wechat_appid,
                    secret=config.wechat_secret,
                )
            )

    try:
        asyncio.run(with_api())
    except PlatformError as error:
        print(f"没有成功：{error.reason}", file=sys.stderr)
        return 1
    return 0
