"""What the dialogue answers, in the one shape that every channel and the history share.

`{"kind": "text" | "card", "text": str, "buttons": [{"title", "payload"}], "card": dict | None,
"image": url | None}`
"""

from __future__ import annotations

from typing import Any

from rasa.core.channels.channel import OutputChannel

Reply = dict[str, Any]


def normalise(message: dict[str, Any]) -> Reply | None:
    """A reply from a Rasa bot message (or `BotUttered.message()`); None when it says nothing."""
    custom = message.get("custom")
    card = custom.get("card") if isinstance(custom, dict) else None
    buttons = (message.get("buttons") or []) + (message.get("quick_replies") or [])
    reply = {
        "kind": "card" if card else "text",
        "text": (message.get("text") or "").strip(),
        "buttons": [{"title": b["title"], "payload": b["payload"]} for b in buttons],
        "card": card,
        "image": message.get("image"),
    }
    says_something = any(reply[part] for part in ("text", "buttons", "card", "image"))
    return reply if says_something else None


class Replies(OutputChannel):
    """Collects the replies of one turn."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    @classmethod
    def name(cls) -> str:
        """Rasa wants one; input channels name themselves in the message."""
        return "linli"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Take a whole bot message at once; Rasa would send its parts one by one."""
        reply = normalise(message)
        if reply:
            self.replies.append(reply)

    async def send_text_message(self, recipient_id: str, text: str, **kwargs: Any) -> None:
        """Rasa's own code (circuit breaker) may send a bare text."""
        await self.send_response(recipient_id, {"text": text})
