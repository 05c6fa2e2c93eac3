"""Volunteers and errands: what no rule answers becomes a ticket for a person to follow up."""

from __future__ import annotations

from actions import intake, volunteering
from actions.base import Events, LinliAction, Turn
from actions.reading import Matter

VOLUNTEER_ITEM = "other_service/volunteering"
ERRAND_ITEM = "other_service/errand"


class ActionVolunteer(LinliAction):
    """Someone offers time or skills, or a Party member reports to the community (双报到)."""

    action = "action_volunteer"
    intents = ("volunteer",)

    async def answer(self, turn: Turn) -> Events:
        """Sign up, take a wish, tell hours; an offer in its own words is filed, after the card."""
        known = await volunteering.answer(turn)
        if known is not None:
            return known
        return await _file(turn, VOLUNTEER_ITEM, "utter_volunteer")


class ActionErrand(LinliAction):
    """Someone who cannot go asks for an errand to be run (帮办代办)."""

    action = "action_errand"
    intents = ("errand",)

    async def answer(self, turn: Turn) -> Events:
        """File it, after the card."""
        return await _file(turn, ERRAND_ITEM, "utter_errand")


async def _file(turn: Turn, item: str, response: str) -> Events:
    turn.outcome = "form"
    turn.say(response)
    if turn.in_form:
        return []
    return await intake.start(
        turn, (Matter(turn.reading.text, item),), before=intake.asked(turn, "")
    )
