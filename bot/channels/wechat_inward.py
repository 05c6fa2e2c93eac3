"""What a message or event of the official account means for us."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from bot.channels.replies import Reply
from bot.domain.errors import BadInput, NotFound
from bot.platforms import choices
from bot.platforms.errors import PlatformError
from bot.platforms.wechat import WeChatApi
from bot.platforms.xml import InboundMessage, body_hash
from bot.services import answers, attachments, residents
from bot.services.clock import now
from bot.services.inbox import Claimed, Inbound
from bot.store.models import Building

log = logging.getLogger(__name__)

CHANNEL = "wechat"
NEAR_METRES = 300
EARTH_METRES = 6_371_000
# Menu key → what it says for the resident (bot/commands/wechat.py publishes the menu).
MENU_WORDS = {
    "report": "我要反映问题",
    "tickets": "我的工单到哪一步了",
    "guide": "你能做什么",
    "meeting": "最近有什么会议",
    "human": "转人工",
}
SILENT_EVENTS = {
    "view",
    "location",
    "templatesendjobfinish",
    "subscribe_msg_popup_event",
    "subscribe_msg_change_event",
    "subscribe_msg_sent_event",
}
WELCOME = (
    "您好，这里是邻里。家里漏水、楼道灯坏、养老看病、邻里纠纷……直接用一句话告诉我，"
    "我会转给负责的人，并告诉您办到哪一步。\n"
    "如有生命危险请立刻拨打：110（报警）、119（火警）、120（急救）。"
)
BOUND = "已为您登记住址：{place}。以后反映问题不用再说是哪栋楼。"
WRONG_CODE = "这张楼栋码已经停用，请直接告诉我您住在哪栋楼。"
MEDIA_GONE = "这{what}没能收到，请再发一次，或者用文字说一说。"
MEDIA_NAMES = {"image": "张照片", "voice": "段语音", "video": "段视频"}
MEDIA_TYPES = {"voice": "audio/", "video": "video/"}


def as_inbound(factory: sessionmaker, message: InboundMessage, at: dt.datetime) -> Inbound:
    """The message in the inbox's words; a tapped or numbered choice becomes its payload."""
    kind, text, media = _content(message)
    if message.kind == "text":
        payload = _chosen(factory, message, at)
        if payload is not None:
            kind, text, media = "tap", payload, {"label": message.text}
    return Inbound(CHANNEL, message.key, message.sender, text, kind, media, body_hash(message))


def _chosen(factory: sessionmaker, message: InboundMessage, at: dt.datetime) -> str | None:
    if message.menu_id:
        return choices.tapped(factory, CHANNEL, message.sender, message.menu_id)
    return choices.typed(factory, CHANNEL, message.sender, message.text, at)


def _content(message: InboundMessage) -> tuple[str, str, dict[str, Any]]:
    """(kind, text, media) of a message or event."""
    if message.kind == "event":
        media = {"event": message.event, "scene": message.scene}
        return "event", MENU_WORDS.get(message.event_key, ""), media
    if message.kind in {"image", "voice", "video", "shortvideo"}:
        kind = "video" if message.kind == "shortvideo" else message.kind
        return kind, message.text, {"media_id": message.media_id}
    if message.kind == "location":
        place = {"lat": message.latitude, "lon": message.longitude}
        return "location", message.label, {**place, "label": f"[位置] {message.label}".strip()}
    if message.kind == "link":
        return "link", f"{message.text} {message.label}".strip(), {"url": message.url}
    return "text", message.text, {}


async def prepare(
    factory: sessionmaker, claimed: Claimed, api: WeChatApi, folder: Path
) -> Claimed | list[Reply]:
    """Fetch what the dialogue needs; or the whole reply, where no dialogue is needed."""
    message = claimed.message
    if message.kind == "event":
        return await asyncio.to_thread(_event, factory, claimed)
    if message.kind == "location":
        text = await asyncio.to_thread(nearest_building, factory, message.media)
        return _with(claimed, text=text or message.text)
    if message.media.get("media_id") and not message.media.get("attachment"):
        return await _fetched(factory, claimed, api, folder)
    return claimed


def _with(claimed: Claimed, **changes: Any) -> Claimed:
    return replace(claimed, message=replace(claimed.message, **changes))


def _event(factory: sessionmaker, claimed: Claimed) -> Claimed | list[Reply]:
    event = claimed.message.media.get("event")
    scene = claimed.message.media.get("scene")
    if event in {"subscribe", "scan"}:
        greeting = [WELCOME] if event == "subscribe" else []
        return [say("\n\n".join([*greeting, *_bind(factory, claimed.resident_id, scene)]))]
    if claimed.message.text:
        return claimed  # a menu tap, which speaks for the resident
    return []


def _bind(factory: sessionmaker, resident_id: int, scene: str | None) -> list[str]:
    """Bind the resident to the building whose code was scanned."""
    if not scene:
        return []
    with factory() as session:
        building_id = session.scalar(select(Building.id).where(Building.key == scene))
    try:
        if building_id is None:
            raise NotFound()
        return [BOUND.format(place=residents.bind_home(factory, resident_id, building_id))]
    except (NotFound, BadInput):
        return [WRONG_CODE]


def say(text: str) -> Reply:
    """A reply of one text."""
    return {"kind": "text", "text": text, "buttons": [], "card": None, "image": None}


async def _fetched(
    factory: sessionmaker, claimed: Claimed, api: WeChatApi, folder: Path
) -> Claimed | list[Reply]:
    """Fetch a picture, voice or video before the platform deletes it (3 days), and keep it.

    A temporary failure raises, so that the message is tried again.
    """
    message = claimed.message
    gone = [say(MEDIA_GONE.format(what=MEDIA_NAMES[message.kind]))]
    try:
        file = await api.media(message.media["media_id"])
        token = await asyncio.to_thread(_keep, factory, claimed, file.data, file.mime, folder)
    except PlatformError as error:
        if error.temporary:
            raise
        log.warning("media of message %s: errcode %s", claimed.id, error.errcode)
        token = None
    except BadInput:
        token = None
    if token is None:
        return claimed if message.text else gone
    media = {**message.media, "attachment": token}
    await asyncio.to_thread(answers.set_media, factory, claimed.id, media)
    return _with(claimed, media=media)


def _keep(factory: sessionmaker, claimed: Claimed, data: bytes, mime: str, folder: Path) -> str:
    kind = claimed.message.kind
    if kind == "image":
        data, mime = attachments.clean_photo(data), "image/jpeg"
    elif not mime.startswith(MEDIA_TYPES[kind]) or not data:
        raise BadInput()
    return attachments.store(
        factory, folder, data, now(), resident_id=claimed.resident_id, kind=kind, mime=mime
    )


def nearest_building(factory: sessionmaker, media: dict[str, Any]) -> str | None:
    """Name of the building nearest to a sent location, within 300 metres."""
    lat, lon = float(media["lat"]), float(media["lon"])
    with factory() as session:
        placed = session.scalars(
            select(Building).where(
                Building.active, Building.lat.is_not(None), Building.lon.is_not(None)
            )
        )
        ranked = [(metres(lat, lon, b.lat, b.lon), b.name_in_estate) for b in placed]
    distance, name = min(ranked, default=(math.inf, None))
    return name if distance <= NEAR_METRES else None


def metres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Distance of two points; flat enough within a city."""
    y = math.radians(other_lat - lat)
    x = math.radians(other_lon - lon) * math.cos(math.radians((lat + other_lat) / 2))
    return EARTH_METRES * math.hypot(x, y)
