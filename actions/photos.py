"""A photo by itself: it goes to the open ticket, or waits for the matter it belongs to."""

from __future__ import annotations

from rasa_sdk.events import SlotSet

from actions import picking
from actions.base import Events, LinliAction, Turn, button
from actions.picking import OPEN_STATES
from bot.domain.taps import payload
from bot.services import resident_steps

SHOWN = 4
MAX_PHOTOS = 9


class ActionPhoto(LinliAction):
    """Channels hand over a stored photo as `/inform_photo{"attachment": token}`."""

    action = "action_inform_photo"
    intents = ("inform_photo",)

    async def answer(self, turn: Turn) -> Events:
        """Add it to the one open ticket, ask which of several, or keep it."""
        token = str(turn.reading.get("attachment") or "")
        number = turn.reading.get("ticket_number")
        waiting = [*(turn.slot("photos") or []), *([token] if token else [])][-MAX_PHOTOS:]
        tickets = [t for t in await picking.own(turn) if t.status in OPEN_STATES]
        asked_for = (turn.slot("pending") or {}).get("number")
        if number or asked_for or len(tickets) == 1:
            chosen = str(number or asked_for or tickets[0].number)
            return await self._add(turn, chosen, waiting)
        if not tickets:
            turn.say("utter_photo_kept")
            return [SlotSet("photos", waiting)]
        buttons = [
            button(f"{t.item}（{t.number[-4:]}）", payload("inform_photo", ticket_number=t.number))
            for t in tickets[:SHOWN]
        ]
        buttons.append(button("是另一件事", payload("deny")))
        turn.say("utter_which_ticket_photo", buttons=buttons)
        turn.ask("photo", buttons, no=len(buttons) - 1)
        return [SlotSet("photos", waiting)]

    @staticmethod
    async def _add(turn: Turn, number: str, tokens: list[str]) -> Events:
        profile = await turn.profile()
        who = await turn.call(
            resident_steps.add,
            number,
            profile.id,
            "",
            turn.now,
            key=turn.key,
            attachments=tuple(tokens),
        )
        turn.say("utter_photo_added", number=number, who=who)
        return [SlotSet("photos", None), SlotSet("focus", number)]
