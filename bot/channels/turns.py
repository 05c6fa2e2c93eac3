"""The turn that runs now, and what must end it unsaved.

A turn belongs to one try of one stored message (`inbox.Claimed`). The try may lose its message:
the lease runs out while the machine is too busy to renew it, and another process starts over. Then
the turn of the loser must not be saved; the tracker store asks here whether it still may.

Rasa catches every `Exception` of an action and of the tracker store and goes on as if nothing were
amiss (an action's effect dropped, a turn saved in memory only). For our own channels, which can run
a turn again, such a failure has to end the turn. So these are `BaseException`s, which pass Rasa's
`except Exception`.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

from bot.services.inbox import Claimed

_current: contextvars.ContextVar[Claimed | None] = contextvars.ContextVar("turn", default=None)


class TurnEnded(BaseException):
    """The turn could not be brought to its end; nothing of it is saved."""


class ActionServerFailed(TurnEnded):
    """The action server could not be reached, or crashed in an action."""


class TrackerFailed(TurnEnded):
    """The conversation could not be read or saved."""


class TakenOver(TurnEnded):
    """Another try has the message now."""


@contextlib.contextmanager
def of(claimed: Claimed) -> Iterator[None]:
    """Whatever runs inside, and the tasks it starts, is the turn of this try."""
    token = _current.set(claimed)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Claimed | None:
    """The try whose turn this is; None in Rasa's own channels, which store no messages."""
    return _current.get()
