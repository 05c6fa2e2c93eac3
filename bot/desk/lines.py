"""A line of the history as the page's script reads it."""

from __future__ import annotations

import hashlib
from typing import Any

from bot.services import chat

PHOTOS = "/chat/photos"


def own_key(visitor: str, key: str) -> str:
    """A page's message key made unique to the visitor: nobody can take another's key."""
    return f"{hashlib.sha256(visitor.encode()).hexdigest()[:12]}:{key}"


def page_key(key: str) -> str:
    """The key as the page made it."""
    return key.rpartition(":")[2]


def as_json(line: chat.Line) -> dict[str, Any]:
    """Plain values for JSON; photos as addresses."""
    body = line.body
    shown: dict[str, Any] = {
        "id": line.id,
        "mine": line.direction == "in",
        "kind": line.kind,
        "at": line.at.isoformat(),
        "text": body.get("text") or "",
        "image": _image(body.get("image"), line.direction),
    }
    if line.direction == "in":
        return shown | {"key": page_key(body.get("key") or "")}
    return shown | {
        "buttons": body.get("buttons") or [],
        "card": body.get("card"),
        "number": body.get("number"),
        "rate": bool(body.get("rate")),
        "images": [f"{PHOTOS}/{token}" for token in body.get("images") or []],
    }


def _image(image: str | None, direction: str) -> str | None:
    """A resident's photo is a token; what the dialogue shows is an address already."""
    return f"{PHOTOS}/{image}" if image and direction == "in" else image
