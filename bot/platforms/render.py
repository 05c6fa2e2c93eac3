"""Replies and notices of the service as WeChat messages: cards in words, buttons as choices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import sessionmaker

from bot.domain.taps import payload
from bot.platforms import choices
from bot.platforms.replies import Choice, Outgoing, join_messages, with_links

# What a resident is asked once a matter is done; the payloads are the dialogue's own.
RATINGS = (("很满意", 5), ("满意", 4), ("一般", 3))
NOT_SOLVED = "没解决"


def outgoing(
    factory: sessionmaker,
    channel: str,
    user: str,
    batch: str,
    messages: Iterable[dict[str, Any]],
    now: dt.datetime,
) -> list[Outgoing]:
    """The messages with their choices stored; the same batch gives the same choices again."""
    found = []
    for number, message in enumerate(messages):
        text = _text(message)
        buttons = _buttons(message)
        offered: tuple[Choice, ...] = ()
        if buttons:
            offered = choices.offer(factory, channel, user, f"{batch}:{number}", buttons, now)
        if text or offered:
            found.append(Outgoing(text, offered))
    return found


def one_text(messages: Iterable[Outgoing]) -> list[str]:
    """All messages in as few texts as fit; the first is the passive reply."""
    return join_messages([with_links(message) for message in messages])


def _text(message: dict[str, Any]) -> str:
    text = str(message.get("text") or "").strip()
    card = message.get("card") or {}
    rows = [f"{name}：{value}" for name, value in card.get("rows") or []]
    if rows:
        text = "\n".join([text or str(card.get("title", "")), *rows])
    images = message.get("images") or []
    return f"{text}\n（附照片 {len(images)} 张，可在「聊天记录」里查看）" if images else text


def _buttons(message: dict[str, Any]) -> list[tuple[str, str]]:
    if message.get("rate") and message.get("number"):
        number = str(message["number"])
        found = [
            (label, payload("ticket_rate", ticket_number=number, rating=stars))
            for label, stars in RATINGS
        ]
        return [*found, (NOT_SOLVED, payload("ticket_reopen", ticket_number=number))]
    return [(b["title"], b["payload"]) for b in message.get("buttons") or []]
