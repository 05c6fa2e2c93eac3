"""A turn whose action server failed must not count as done.

Rasa catches every `Exception` of an action, drops what the action would have done, and saves the
turn as if that were all: the resident's answer in a form would be lost without a word. So the
failure is raised as what ends a turn of our own channels (`turns.py`). Other channels (`rest`) keep
Rasa's way.
"""

from __future__ import annotations

from typing import Any

from rasa.core.actions.action import ActionExecutionRejection, RemoteAction

from bot.channels.replies import Replies
from bot.channels.turns import ActionServerFailed

_run = RemoteAction.run


async def _run_or_end_the_turn(
    self: RemoteAction, output_channel: Any, *args: Any, **kwargs: Any
) -> Any:
    try:
        return await _run(self, output_channel, *args, **kwargs)
    except ActionExecutionRejection:  # no failure: a form says that it cannot use the message
        raise
    except Exception as error:
        if isinstance(output_channel, Replies):
            raise ActionServerFailed(str(error)) from error
        raise


def install() -> None:
    """Put the wrapper in place; doing it twice is once."""
    RemoteAction.run = _run_or_end_the_turn
