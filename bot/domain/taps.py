"""What a tapped choice says to the dialogue: `/intent{"entity": …}`, as Rasa reads it.

The actions, the desk's notices and the platforms all offer choices; they all make them here, so
that one choice has one spelling wherever it is tapped.
"""

from __future__ import annotations

import json
import re
from typing import Any

COMMAND = re.compile(r"^/([a-z_]+)(\{.*\})?$", re.DOTALL)


def payload(intent: str, **entities: Any) -> str:
    """The payload of a choice, such as `/ticket_rate{"ticket_number":"LL-…","rating":5}`."""
    data = json.dumps(entities, ensure_ascii=False, separators=(",", ":")) if entities else ""
    return f"/{intent}{data}"


def read(text: str) -> tuple[str, dict[str, Any]] | None:
    """Intent and entities of a payload; None when the text is none."""
    match = COMMAND.match(text)
    if match is None:
        return None
    try:
        entities = json.loads(match[2]) if match[2] else {}
    except ValueError:
        return None
    return (match[1], entities) if isinstance(entities, dict) else None
