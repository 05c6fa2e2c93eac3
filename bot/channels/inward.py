"""What of a stored message the dialogue gets to read.

Rasa takes a text that starts with "/" for a command (`/intent{"entity": …}`), so that whoever
could type one would skip understanding, and could restart the dialogue or file a made-up card.
Only a tapped choice and a photo become commands; a slash that a resident typed is dropped.
"""

from __future__ import annotations

import json
import re

from bot.services.inbox import Inbound

COMMAND = re.compile(r"^/([a-z_]+)(\{.*\})?$", re.DOTALL)
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
        return "/inform_photo" + json.dumps({"attachment": token})
    return message.text.lstrip("/／ \t\r\n") or WORDLESS.get(message.kind, "……")


def is_command(text: str) -> bool:
    """Whether a payload is of the form that the dialogue's own choices have."""
    match = COMMAND.match(text)
    if match is None or match[1] in RASA_OWN:
        return False
    try:
        return match[2] is None or isinstance(json.loads(match[2]), dict)
    except ValueError:
        return False
