"""From a call-back's XML to a typed message, for every kind and event of both platforms."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bot.platforms.crypto import BadBody

MAX_BODY = 256 * 1024
MAX_DEPTH = 12
KINDS = {"text", "image", "voice", "video", "shortvideo", "location", "link", "event"}
SCENE_PREFIX = "qrscene_"


class BodyTooLarge(BadBody):
    """More bytes than any call-back has."""

    status = 413


@dataclass(frozen=True)
class InboundMessage:
    """One message or event, as the platform sent it."""

    sender: str  # openid, or WeCom user id in lower case
    recipient: str  # the account's own id, needed in a passive reply
    kind: str  # one of KINDS
    key: str  # the same for each retry of the platform
    created_at: int
    text: str = ""
    media_id: str = ""
    media_format: str = ""
    latitude: float | None = None
    longitude: float | None = None
    label: str = ""
    url: str = ""
    event: str = ""  # lower case
    event_key: str = ""
    scene: str = ""  # scene_str of the QR code, on subscribe and on scan
    menu_id: str = ""  # bizmsgmenuid of a tapped choice
    card: CardTap | None = None
    status: str = ""  # of a template job
    popups: tuple[tuple[str, bool], ...] = ()  # (template id, accepted)
    agent_id: str = ""
    msg_id: str = ""  # of the template job
    fields: dict[str, str] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class CardTap:
    """A tapped button of a WeCom template card."""

    task_id: str
    button: str
    response_code: str
    card_type: str
    selected: tuple[tuple[str, tuple[str, ...]], ...] = ()  # (question, options)


def parse_xml(body: bytes | str) -> Element:
    """The root element. Raises BadBody for anything but small, plain, well-formed `<xml>`."""
    data = body.encode() if isinstance(body, str) else body
    if len(data) > MAX_BODY:
        raise BodyTooLarge("body is too large")
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        raise BadBody("body is not acceptable XML") from None
    if root.tag != "xml" or _too_deep(root):
        raise BadBody("body is not a message")
    return root


def _too_deep(root: Element) -> bool:
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node]
        if not level:
            return False
    return True


def encrypted_part(root: Element) -> str:
    """Text of `<Encrypt>`, or "" in plain mode."""
    return _text(root, "Encrypt")


def parse_message(body: bytes | str) -> InboundMessage:
    """The message in a plain (or decrypted) body. Raises BadBody."""
    root = parse_xml(body)
    kind = _text(root, "MsgType").lower()
    sender, recipient = _text(root, "FromUserName"), _text(root, "ToUserName")
    if kind not in KINDS or not sender or not recipient or len(sender) > 100:
        raise BadBody("body is not a message")
    values: dict[str, Any] = {
        "sender": sender,
        "recipient": recipient,
        "kind": kind,
        "created_at": _integer(root, "CreateTime"),
        "agent_id": _text(root, "AgentID"),
        "fields": {child.tag: (child.text or "") for child in root if not len(child)},
    }
    values |= _event(root) if kind == "event" else _content(root, kind)
    return InboundMessage(key=_key(root, values), **values)


def body_hash(message: InboundMessage) -> str:
    """Checksum that is the same for a retry, and another one for a body put in its place.

    Over the decrypted fields, because in safe mode each retry is encrypted anew.
    """
    lines = [f"{name}={value}" for name, value in sorted(message.fields.items())]
    lines += [repr(message.card), repr(message.popups)]
    lines += [message.text, str(message.latitude), str(message.longitude)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _content(root: Element, kind: str) -> dict[str, Any]:
    values: dict[str, Any] = {"media_id": _text(root, "MediaId")}
    if kind == "text":
        values["text"] = _text(root, "Content")
        values["menu_id"] = _text(root, "bizmsgmenuid")
    elif kind == "voice":
        values["text"] = _text(root, "Recognition").strip()
        values["media_format"] = _text(root, "Format")
    elif kind == "image":
        values["url"] = _text(root, "PicUrl")
    elif kind == "location":
        values["latitude"] = _coordinate(root, "Location_X", 90)
        values["longitude"] = _coordinate(root, "Location_Y", 180)
        values["label"] = _text(root, "Label")
    elif kind == "link":
        values["text"] = _text(root, "Title")
        values["label"] = _text(root, "Description")
        values["url"] = _text(root, "Url")
    return values


def _event(root: Element) -> dict[str, Any]:
    event, key = _text(root, "Event").lower(), _text(root, "EventKey")
    if not event:
        raise BadBody("event without a name")
    values: dict[str, Any] = {"event": event, "event_key": key, "scene": _scene(event, key)}
    if event == "location":
        values["latitude"] = _coordinate(root, "Latitude", 90)
        values["longitude"] = _coordinate(root, "Longitude", 180)
    elif event == "template_card_event":
        values["card"] = _card(root)
    elif event == "templatesendjobfinish":
        values |= {"status": _text(root, "Status"), "msg_id": _text(root, "MsgID")}
    elif event.startswith("subscribe_msg_"):
        values["popups"] = _popups(root)
    return values


def _scene(event: str, key: str) -> str:
    if event == "subscribe" and key.startswith(SCENE_PREFIX):
        return key[len(SCENE_PREFIX) :]
    return key if event == "scan" else ""


def _card(root: Element) -> CardTap:
    selected = tuple(
        (_text(item, "QuestionKey"), tuple(o.text or "" for o in item.iter("OptionId")))
        for item in root.iter("SelectedItem")
    )
    return CardTap(
        _text(root, "TaskId"),
        _text(root, "EventKey"),
        _text(root, "ResponseCode"),
        _text(root, "CardType"),
        selected,
    )


def _popups(root: Element) -> tuple[tuple[str, bool], ...]:
    return tuple(
        (_text(item, "TemplateId"), _text(item, "SubscribeStatusString") == "accept")
        for item in root.iter("List")
        if _text(item, "TemplateId")
    )


def _key(root: Element, values: dict[str, Any]) -> str:
    """MsgId where there is one; for events who, when and what, hashed to a bounded length."""
    msg_id = _text(root, "MsgId")
    if values["kind"] != "event" and msg_id.isascii() and msg_id.isdigit():
        return f"m{msg_id[:40]}"
    parts = [values["sender"], str(values["created_at"]), values["kind"]]
    parts += [values.get("event", ""), values.get("event_key", ""), _text(root, "TaskId")]
    parts += [_text(root, "ResponseCode"), _text(root, "MsgID")]
    if values["kind"] != "event":
        parts.append(msg_id or values.get("text", "") + values.get("media_id", ""))
    return "e" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]


def _text(root: Element, tag: str) -> str:
    found = root.find(tag)
    return "" if found is None else (found.text or "")


def _integer(root: Element, tag: str) -> int:
    text = _text(root, tag).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise BadBody(f"{tag} is not a number")
    return int(text)


def _coordinate(root: Element, tag: str, limit: int) -> float:
    try:
        value = float(_text(root, tag))
    except ValueError:
        raise BadBody(f"{tag} is not a number") from None
    if not -limit <= value <= limit:  # also refuses NaN
        raise BadBody(f"{tag} is out of range")
    return value
