"""Where a resident lives: said once, used for every matter."""

from __future__ import annotations

from typing import Any

from rasa_sdk.events import SlotSet

from actions import drafting
from actions.base import Events, LinliAction, Turn, button
from actions.reading import Matter
from bot.domain.taps import payload
from bot.services import residents
from bot.store import queries

MAX_BUTTONS = 12


async def estate_buttons(turn: Turn) -> list[dict[str, str]]:
    """The estates, and a way out."""
    estates = await turn.call(queries.estates)
    buttons = [button(name, payload("set_home", estate=name)) for name, _ in estates[:MAX_BUTTONS]]
    return [*buttons, button("先跳过", payload("skip"))]


async def ask_estate(turn: Turn, response: str) -> Events:
    """Ask where the resident lives."""
    buttons = await estate_buttons(turn)
    turn.say(response, buttons=buttons)
    turn.ask("home", buttons)
    return []


class ActionSetHome(LinliAction):
    """Bind a resident to a building, by buttons or in words."""

    action = "action_set_home"
    intents = ("set_home",)

    async def answer(self, turn: Turn) -> Events:
        """Bind when the building is clear; else ask the next smaller thing."""
        building_id = turn.reading.get("building_id")
        if building_id is not None:
            unit, room = turn.reading.get("unit"), turn.reading.get("room")
            kept = turn.slot("home_parts") or {}
            return await bind(
                turn, int(building_id), unit or kept.get("unit"), room or kept.get("room")
            )
        if turn.reading.tapped and turn.reading.get("estate"):
            return await self._buildings(turn, str(turn.reading.get("estate")))
        if turn.reading.place:
            return await from_words(turn)
        profile = await turn.profile()
        return await ask_estate(turn, "utter_ask_new_home" if profile.place else "utter_ask_home")

    @staticmethod
    async def _buildings(turn: Turn, estate: str) -> Events:
        estates = dict(await turn.call(queries.estates))
        buttons = [
            button(name, payload("set_home", building_id=building_id))
            for building_id, name in estates.get(estate, [])[:MAX_BUTTONS]
        ]
        if not buttons:
            return await ask_estate(turn, "utter_ask_home")
        turn.say("utter_ask_building", estate=estate, buttons=buttons)
        turn.ask("home", buttons)
        return []


async def bind(turn: Turn, building_id: int, unit: str | None, room: str | None) -> Events:
    """Bind, and say so."""
    profile = await turn.profile()
    place = await turn.call(residents.bind_home, profile.id, building_id, unit, room)
    turn.forget_profile()
    turn.outcome = "home"
    turn.say("utter_home_set" if room else "utter_home_set_no_room", place=place)
    return [SlotSet("home_parts", None)]


async def from_words(turn: Turn) -> Events:
    """「我住幸福里3号楼2单元501」."""
    draft: dict[str, Any] = drafting.new(turn, (Matter("", None),))
    profile = await turn.profile()
    parts = turn.reading.place
    inside_only = not {"building", "estate"} & set(parts)
    if inside_only and profile.building_id:
        unit, room = parts.get("unit") or profile.unit, parts.get("room") or profile.room
        return await bind(turn, profile.building_id, unit, room)
    await drafting.settle_place(turn, draft, parts)
    place = draft.get("place") or {}
    if place.get("building_id"):
        return await bind(turn, place["building_id"], place.get("unit"), place.get("room"))
    if draft.get("places"):
        buttons = drafting.place_buttons(draft)
        said = drafting.said_place(parts)
        which = "utter_ask_which_estate" if "building" in parts else "utter_ask_which_building"
        turn.say(which, said=said, buttons=buttons)
        turn.ask("home", buttons)
        return [SlotSet("home_parts", {k: parts.get(k) for k in ("unit", "room")})]
    turn.say("utter_unknown_home", said=draft.get("unknown") or turn.reading.text[:20])
    return []


class ActionInformPlace(LinliAction):
    """An address and nothing else: the home, when none is known yet."""

    action = "action_inform_place"
    intents = ("inform_place",)

    async def answer(self, turn: Turn) -> Events:
        """Bind, or ask whether the known home has changed."""
        profile = await turn.profile()
        if not turn.reading.place:
            turn.say("utter_unknown_home", said=turn.reading.text[:20])
            return []
        inside_only = not {"building", "estate"} & set(turn.reading.place)
        if profile.building_id is None or inside_only:
            return await from_words(turn)
        turn.say("utter_place_noted", place=profile.place)
        return []


class ActionSkip(LinliAction):
    """「先跳过」 where nothing has to be filled in."""

    action = "action_skip"
    intents = ("skip",)

    async def answer(self, turn: Turn) -> Events:
        """Go on."""
        turn.say("utter_skipped")
        return []
