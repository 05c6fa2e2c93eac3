"""Staff come in from WeCom, without a password."""

from __future__ import annotations

import asyncio
import hmac
import secrets

import aiohttp_session
from aiohttp import web

from bot.desk.keys import FACTORY, HTTP, SETTINGS
from bot.desk.staff import access
from bot.domain.errors import BadInput, NotAllowed, NotFound
from bot.platforms.client import ApiClient
from bot.platforms.errors import PlatformError
from bot.platforms.wecom import OUTSIDER, WeComApi, make_api
from bot.services import members

routes = web.RouteTableDef()
AGAIN = "企业微信登录没有成功，请重新打开工作台。"
NOT_STAFF = "您的企业微信账号还没有登记为工作人员，请联系社区管理员。"


def _api(request: web.Request) -> WeComApi:
    config = request.app[SETTINGS]
    if not config.wecom_enabled:
        raise NotFound("没有开通企业微信。")
    client = ApiClient(request.config_dict[HTTP], config.wecom_api_base)
    return make_api(config, client, request.app[FACTORY])


@routes.get("/login/wecom")
@access.public
async def log_in(request: web.Request) -> web.StreamResponse:
    """Off to WeCom; a state that only this session knows comes back with the code."""
    config = request.app[SETTINGS]
    api = _api(request)
    session = await aiohttp_session.get_session(request)
    session["wecom_state"] = secrets.token_hex(16)
    session["wecom_next"] = access.local_path(request.query.get("next", "/desk"))
    raise web.HTTPFound(
        api.authorize_url(
            f"{config.public_url}/desk/login/wecom/back",
            session["wecom_state"],
            f"{config.wechat_open_base}/connect/oauth2/authorize",
        )
    )


@routes.get("/login/wecom/back")
@access.public
async def back(request: web.Request) -> web.StreamResponse:
    """From WeCom, with a code that works once."""
    session = await aiohttp_session.get_session(request)
    state, target = session.pop("wecom_state", ""), session.pop("wecom_next", "/desk")
    given = request.query.get("state", "")
    if not state or not hmac.compare_digest(state.encode(), given.encode()):
        raise BadInput(AGAIN)
    try:
        userid = await _api(request).userid_of(request.query.get("code", ""))
    except PlatformError as error:
        words = NOT_STAFF if error.errcode == OUTSIDER else f"{AGAIN}（{error.reason}）"
        raise NotAllowed(words) from None
    staff = await asyncio.to_thread(members.by_wecom, request.app[FACTORY], userid)
    if staff is None:
        raise NotAllowed(NOT_STAFF)
    await access.open_session(request, staff)
    raise web.HTTPSeeOther(access.local_path(target))
