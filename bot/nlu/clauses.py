"""Cut a message into clauses where the resident marks a second matter."""

import re
from collections.abc import Iterable

from rasa.shared.nlu.training_data.message import Message

CLAUSES = "clauses"
MIN_CLAUSE = 4
MAX_CLAUSES = 4

# Marks that open another matter. 还有 needs a pause before it, or 「家里还有老人」 would be cut.
_MARK = re.compile(
    r"另外一?(?:个|件)?(?:事|问题)?|(?<=[\s,.;!?。、])还有(?:一?(?:个|件)(?:事|问题))?|还有一?(?:个|件)(?:事|问题)"
    r"|顺便(?:再?(?:问|说|反映)(?:一?下|一?句)?)?|再(?:就是|一个(?:就是|是|事)|(?:反映|问|说)一?(?:个|件)(?:事|问题)?)"
    r"|此外|除此之外|与此同时|第[一二三四五]?(?:件事|个事|个问题|,|、|是)|其[一二三]|[一二三四五][是、,]"
    r"|(?:^|(?<=[\s,.;!?。]))[1-5][.、)](?!\d)|;|\n"
)


def split_clauses(text: str) -> list[str]:
    """The clauses of a message that names several matters; fewer than two: []."""
    parts = [part.strip(" ,.;!?。、:") for part in _MARK.split(text)]
    clauses = [part for part in parts if len(part) >= MIN_CLAUSE]
    return clauses[:MAX_CLAUSES] if len(clauses) > 1 else []


def with_clauses(messages: Iterable[Message]) -> list[Message]:
    """The messages and the clause messages hung on them by the normaliser, in one list."""
    flat: list[Message] = []
    for message in messages:
        flat.append(message)
        flat.extend(message.get(CLAUSES) or [])
    return flat
