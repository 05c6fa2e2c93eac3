"""Danger: numbers to call, a ticket without asking, who has been alerted, then the place."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rasa_sdk.events import ActiveLoop, SlotSet

from actions import catalogue, drafting
from actions.base import LISTENERS, Events, LinliAction, Turn, button
from actions.reading import Matter, Reading, payload
from actions.telling import tell_ticket
from bot.services import intake, resident_steps
from bot.services.intake import Opened
from bot.store import queries
from bot.store.queries import OwnTicket

SAME_ALARM = dt.timedelta(minutes=30)
DEFAULT_ITEM = "emergency/medical_emergency"


async def is_danger(reading: Reading) -> bool:
    """Whether life may be at risk, by intent, by urgency, or because the item says so."""
    if reading.tapped:
        return False
    if reading.intent == "emergency" or (reading.is_matter and reading.urgency == "danger"):
        return True
    item = (await catalogue.items()).get(reading.item or "")
    return item is not None and item.urgency == "danger"


async def handle(turn: Turn) -> Events:
    """Answer first, then alert people; ask for the place last."""
    turn.outcome = "danger"
    key = await _item(turn.reading)
    item = (await catalogue.items())[key]
    turn.say("utter_self_harm" if key == "emergency/self_harm" else "utter_emergency")
    if key != "emergency/self_harm" and item.answer:
        turn.tell(item.answer)
    place = await _place(turn)
    known = await _same_alarm(turn, key)
    if known:
        await _repeat(turn, known)
    else:
        opened = await _open(turn, key, place)
        turn.ticket_id = opened.ticket_id
        _tell(turn, opened)
        if not place.get("building_id"):
            _ask_place(turn, opened.number)
        return [*_over(), SlotSet("focus", opened.number)]
    return _over()


def _over() -> Events:
    """No form goes on after an emergency."""
    gone = [SlotSet(name, None) for name in ("draft", "confirmation", "asked", "requested_slot")]
    return [ActiveLoop(None), *gone]


async def _item(reading: Reading) -> str:
    """The item of the danger; never None."""
    known = await catalogue.items()
    dangers = [m.item for m in reading.matters if m.item in known]
    for key in dangers:
        if known[str(key)].urgency == "danger":
            return str(key)
    worded = [k for k in await catalogue.items_in_words(reading.text) if k.startswith("emergency/")]
    if worded:
        return worded[0]
    likely = [k for k in reading.choices if k.startswith("emergency/") and k in known]
    return likely[0] if likely else (str(dangers[0]) if dangers else DEFAULT_ITEM)


async def _place(turn: Turn) -> dict[str, object]:
    draft = drafting.new(turn, (Matter(turn.reading.text, None),))
    await drafting.fill_from_message(turn, draft, turn.reading)
    return draft.get("place") or {}


async def _same_alarm(turn: Turn, key: str) -> OwnTicket | None:
    """A danger ticket of this resident for the same thing, opened just now."""
    profile = await turn.profile()
    mine = await turn.call(queries.own_tickets, profile.id, open_only=True)
    return next(
        (t for t in mine if t.item_key == key and turn.now - t.created_at < SAME_ALARM), None
    )


async def _repeat(turn: Turn, ticket: OwnTicket) -> None:
    profile = await turn.profile()
    await turn.call(
        resident_steps.add, ticket.number, profile.id, turn.reading.text, turn.now, key=turn.key
    )
    phone = f"，电话 {ticket.phone}" if ticket.phone else ""
    turn.say("utter_alarm_again", number=ticket.number, who=ticket.who, tel=phone)


async def _open(turn: Turn, key: str, place: dict[str, object]) -> Opened:
    profile = await turn.profile()
    draft = intake.Draft(
        resident_id=profile.id,
        item_key=key,
        description=turn.reading.text or "紧急求助",
        building_id=place.get("building_id"),  # type: ignore[arg-type]
        unit=place.get("unit"),  # type: ignore[arg-type]
        room=place.get("room"),  # type: ignore[arg-type]
        urgency="danger",
    )
    return await turn.call(intake.open_ticket, draft, idempotency_key=turn.key, now=turn.now)


def _tell(turn: Turn, opened: Opened) -> None:
    tell_ticket(turn, opened, "utter_alarm_opened")
    if opened.also_told:
        turn.say("utter_also_told", who="、".join(opened.also_told))


def _ask_place(turn: Turn, number: str) -> None:
    buttons = [button("跳过", payload("skip"))]
    turn.say("utter_ask_alarm_place")
    turn.ask("alarm_place", buttons, number=number)


async def hear_place(turn: Turn, pending: dict[str, Any]) -> Events | None:
    """The place that was asked for after an alarm: pass it on at once."""
    if not turn.reading.place and turn.reading.intent != "inform_place":
        return None
    profile, number = await turn.profile(), str(pending["number"])
    text = f"地点：{turn.reading.text}"
    await turn.call(resident_steps.add, number, profile.id, text, turn.now, key=turn.key)
    turn.say("utter_alarm_place_told", number=number)
    return []


LISTENERS["alarm_place"] = hear_place


class ActionEmergency(LinliAction):
    """A message of danger; nothing is asked first."""

    action = "action_emergency"
    intents = ("emergency",)

    async def answer(self, turn: Turn) -> Events:
        """Act at once."""
        return await handle(turn)
