"""A turn whose action server failed must not count as done.

Rasa catches every `Exception` of an action, drops what the action would have done, and saves the
turn as if that were all: the resident's answer in a form would be lost without a word. For our own
channels, which can run a turn again, the failure has to end the turn unsaved. So it is raised as a
`BaseException`, which passes Rasa's `except Exception`. Other channels (`rest`) keep Rasa's way.
"""

from __future__ import annotations

from typing import Any

from rasa.core.actions.action import ActionExecutionRejection, RemoteAction

from bot.channels.replies import Replies


class ActionServerFailed(BaseException):
    """The action server could not be reached, or crashed in an action."""


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
