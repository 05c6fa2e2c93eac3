"""Danger: numbers to call, a ticket without asking, who has been alerted, then the place."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from rasa_sdk.events import ActiveLoop, SlotSet

from actions import catalogue, drafting
from actions.base import LISTENERS, Events, LinliAction, Turn, button
from actions.reading import Matter, Reading
from actions.telling import tell_ticket
from bot.domain.taps import payload
from bot.services import intake, resident_steps
from bot.services.intake import Opened
from bot.store.own_tickets import OwnTicket, own_tickets

SAME_ALARM = dt.timedelta(minutes=30)
DEFAULT_ITEM = "emergency/medical_emergency"


# Words of danger now. The model's judgement alone, against the intent, is not enough to alarm two
# levels about a leaking roof: then the numbers are said, and alarming is one tap away.
_NOW = re.compile(
    r"救命|救人|快来人|着火|起火|失火|火灾|冒烟|爆炸|煤气味|燃气味|泄漏|漏气|昏|晕|没(?:有)?(?:呼吸|意识|气了)"
    r"|流血|大出血|抽搐|触电|溺水|落水|被困|困在|困住|持刀|拿刀|砍|捅|自杀|轻生|不想活|跳楼|割腕|农药|遗书|快死|要死"
)
LIKELY = 0.15


async def is_danger(reading: Reading) -> bool:
    """Whether life may be at risk: by intent, by item, or by urgency with a sign of its own."""
    if reading.intent == "emergency":
        return True
    if reading.tapped:
        return False
    item = (await catalogue.items()).get(reading.item or "")
    if item is not None and item.urgency == "danger":
        return True
    return may_be_danger(reading) and (_emergency_share(reading) or bool(_NOW.search(reading.text)))


def may_be_danger(reading: Reading) -> bool:
    """The model hears danger in a matter; reason to name the numbers to call."""
    return reading.is_matter and reading.urgency == "danger"


def _emergency_share(reading: Reading) -> bool:
    shares = [r for r in reading.ranking if r["name"] == "emergency"]
    return bool(shares) and float(shares[0]["confidence"]) >= LIKELY


def alarm_button() -> dict[str, str]:
    """One tap from an ordinary card to an alarm."""
    return button("情况紧急，马上上报", payload("emergency"))


def _told(turn: Turn) -> str:
    """The words of the alarm; of a tap, those told before it."""
    if not turn.typed.tapped:
        return turn.typed.text
    draft = turn.slot("draft") or {}
    told = [m["text"] for m in draft.get("matters") or ()]
    return "；".join(told) or (turn.slot("asked") or {}).get("text") or "居民紧急求助"


async def handle(turn: Turn) -> Events:
    """Answer first, then alert people; ask for the place last."""
    turn.outcome = "danger"
    key = await _item(turn)
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


async def _item(turn: Turn) -> str:
    """The item of the danger; never None."""
    known, reading = await catalogue.items(), turn.reading
    drafted = [m["item"] for m in (turn.slot("draft") or {}).get("matters") or ()]
    told = [m.item for m in reading.matters] or drafted
    dangers = [str(key) for key in told if key in known]
    for key in dangers:
        if known[key].urgency == "danger":
            return key
    worded = [k for k in await catalogue.items_in_words(_told(turn)) if k.startswith("emergency/")]
    if worded:
        return worded[0]
    likely = [k for k in reading.choices if k.startswith("emergency/") and k in known]
    return likely[0] if likely else (dangers[0] if dangers else DEFAULT_ITEM)


async def _place(turn: Turn) -> dict[str, Any]:
    drafted = (turn.slot("draft") or {}).get("place") or {}
    draft = drafting.new(turn, (Matter(turn.reading.text, None),))
    await drafting.fill_from_message(turn, draft, turn.reading)
    return (draft.get("place") if turn.reading.place else None) or (
        drafted if drafted.get("building_id") else draft.get("place") or {}
    )


async def _same_alarm(turn: Turn, key: str) -> OwnTicket | None:
    """A danger ticket of this resident for the same thing, opened just now."""
    profile = await turn.profile()
    mine = await turn.call(own_tickets, profile.id, open_only=True)
    return next(
        (t for t in mine if t.item_key == key and turn.now - t.created_at < SAME_ALARM), None
    )


async def _repeat(turn: Turn, ticket: OwnTicket) -> None:
    profile = await turn.profile()
    await turn.call(
        resident_steps.add, ticket.number, profile.id, _told(turn), turn.now, key=turn.key
    )
    phone = f"，电话 {ticket.phone}" if ticket.phone else ""
    turn.say("utter_alarm_again", number=ticket.number, who=ticket.who, tel=phone)


async def _open(turn: Turn, key: str, place: dict[str, Any]) -> Opened:
    profile = await turn.profile()
    draft = intake.Draft(
        resident_id=profile.id,
        item_key=key,
        description=_told(turn),
        building_id=place.get("building_id"),
        unit=place.get("unit"),
        room=place.get("room"),
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
