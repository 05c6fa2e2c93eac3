"""What of a stored message the dialogue gets to read.

Rasa takes a text that starts with "/" for a command (`/intent{"entity": …}`), so that whoever
could type one would skip understanding, and could restart the dialogue or file a made-up card.
Only a tapped choice and a photo become commands; a slash that a resident typed is dropped.
"""

from __future__ import annotations

from bot.domain import taps
from bot.services.inbox import Inbound

RASA_OWN = {"restart", "back", "session_start"}  # would wipe or rewind the conversation
WORDLESS = {
    "voice": "[语音]",
    "video": "[视频]",
    "location": "[位置]",
    "link": "[链接]",
}


def for_dialogue(message: Inbound) -> str:
    """The text of the turn; never empty, and a command only where the channel made it one."""
    if message.kind in {"tap", "event"} and is_command(message.text):
        return message.text
    token = message.media.get("attachment")
    if message.kind == "image" and token:
        return taps.payload("inform_photo", attachment=token)
    return message.text.lstrip("/／ \t\r\n") or WORDLESS.get(message.kind, "……")


def is_command(text: str) -> bool:
    """Whether a payload is of the form that the dialogue's own choices have."""
    said = taps.read(text)
    return said is not None and said[0] not in RASA_OWN
