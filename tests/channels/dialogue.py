"""A dialogue that keeps its turns as Rasa does: replies go out at once, the turn is saved last.

`die_at` names a point at which the process is killed the next time it gets there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rasa.core.actions.action import create_bot_utterance
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, SlotSet, UserUttered

from bot.channels.replies import Reply
from bot.channels.tracker import LinliTrackerStore


class Killed(BaseException):
    """The process is gone; nothing after this runs."""


@dataclass
class Dialogue:
    """Answers with one text and one card; counts its turns and what its actions did."""

    store: LinliTrackerStore
    die_at: str | None = None
    fail: Exception | None = None
    silent: bool = False
    turns: list[UserMessage] = field(default_factory=list)
    effects: set[str] = field(default_factory=set)  # by idempotency key, as in the services

    async def __call__(self, message: UserMessage) -> None:
        self.turns.append(message)
        self._point("before the action")
        if self.fail:
            raise self.fail
        self.effects.add(message.message_id)
        self._point("after the action")
        said = [] if self.silent else answers(message.text)
        for answer in said:
            await message.output_channel.send_response(message.sender_id, dict(answer))
        self._point("before the turn is saved")
        await self._save(message, said)
        self._point("after the turn is saved")

    def _point(self, name: str) -> None:
        if self.die_at == name:
            self.die_at = None
            raise Killed(name)

    async def _save(self, message: UserMessage, said: list[dict[str, Any]]) -> None:
        tracker = await self.store.get_or_create_tracker(message.sender_id)
        tracker.update(ActionExecuted("action_listen"))
        tracker.update(
            UserUttered(
                message.text, message_id=message.message_id, input_channel=message.input_channel
            )
        )
        tracker.update(ActionExecuted("action_intake"))
        for answer in said:
            tracker.update(create_bot_utterance(dict(answer)))
        tracker.update(SlotSet("matter", "x"))
        await self.store.save(tracker)


def make_dialogue(url: str) -> Dialogue:
    """A dialogue on the tracker store of the database at `url`."""
    return Dialogue(LinliTrackerStore(Domain.empty(), url))


def answers(text: str | None) -> list[dict[str, Any]]:
    """Bot messages as an action utters them."""
    card = {"type": "confirm", "title": "请核对", "rows": [["情况", text]]}
    return [
        {"text": f"收到：{text}"},
        {
            "text": "请核对",
            "buttons": [{"title": "确认提交", "payload": "/affirm"}],
            "custom": {"card": card},
        },
    ]


def replies(text: str) -> list[Reply]:
    """The same as every channel gets them."""
    first, second = answers(text)
    return [
        {"kind": "text", "text": first["text"], "buttons": [], "card": None, "image": None},
        {
            "kind": "card",
            "text": "请核对",
            "buttons": second["buttons"],
            "card": second["custom"]["card"],
            "image": None,
        },
    ]
