"""Residents come in from WeChat: the chat page then shows the same person's history."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time

from aiohttp import web

from bot.desk import visitor
from bot.desk.keys import FACTORY, HTTP, SETTINGS
from bot.desk.security import secure_cookies
from bot.domain.errors import BadInput, NotFound
from bot.platforms.client import ApiClient
from bot.platforms.errors import PlatformError
from bot.platforms.wechat import SnapshotUser, WeChatApi
from bot.services import residents
from bot.services.clock import now

COOKIE = "linli_wechat_state"
STATE_SECONDS = 600
PATH = "/wechat"
AGAIN = "登录没有成功，请回到公众号，从菜单里重新打开。"
PREVIEW = "请点页面右下角的「使用完整服务」，再打开一次。"


def _api(request: web.Request) -> WeChatApi:
    config = request.app[SETTINGS]
    if not config.wechat_enabled:
        raise NotFound("没有开通微信公众号。")
    client = ApiClient(request.app[HTTP], config.wechat_api_base)
    return WeChatApi(
        client, request.app[FACTORY], appid=config.wechat_appid, secret=config.wechat_secret
    )


def _signed(request: web.Request, state: str) -> str:
    key = f"wechat-state:{request.app[SETTINGS].secret_key}".encode()
    return hmac.new(hashlib.sha256(key).digest(), state.encode(), hashlib.sha256).hexdigest()


async def log_in(request: web.Request) -> web.StreamResponse:
    """Off to WeChat; a state that only this browser knows comes back with the code."""
    config = request.app[SETTINGS]
    state = f"{int(time.time()):x}z{secrets.token_hex(16)}"
    address = _api(request).authorize_url(
        f"{config.public_url}{PATH}/back",
        state,
        f"{config.wechat_open_base}/connect/oauth2/authorize",
    )
    response = web.HTTPFound(address)
    response.set_cookie(
        COOKIE,
        f"{state}.{_signed(request, state)}",
        max_age=STATE_SECONDS,
        path=PATH,
        httponly=True,
        samesite="Lax",
        secure=secure_cookies(request),
    )
    return response


async def back(request: web.Request) -> web.StreamResponse:
    """From WeChat, with a code that works once: the browser becomes the resident's."""
    _check_state(request)
    try:
        openid = await _api(request).openid_of(request.query.get("code", ""))
    except SnapshotUser:
        raise BadInput(PREVIEW) from None
    except PlatformError as error:
        raise BadInput(f"{AGAIN}（{error.reason}）") from None
    await asyncio.to_thread(residents.profile, request.app[FACTORY], visitor.WECHAT, openid, now())
    response = web.HTTPFound("/chat")
    visitor.keep(request, response, f"{visitor.WECHAT}:{openid}")
    response.del_cookie(COOKIE, path=PATH)
    return response


def _check_state(request: web.Request) -> None:
    """Refuse a code that another browser was given: it would log this one in as somebody else."""
    state, _, signature = request.cookies.get(COOKIE, "").partition(".")
    given = request.query.get("state", "")
    ours = hmac.compare_digest(_signed(request, state).encode(), signature.encode())
    if not (state and ours and hmac.compare_digest(state.encode(), given.encode())):
        raise BadInput(AGAIN)
    if time.time() - int(state.partition("z")[0], 16) > STATE_SECONDS:
        raise BadInput(AGAIN)


def setup(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get(f"{PATH}/login", log_in)
    app.router.add_get(f"{PATH}/back", back)
