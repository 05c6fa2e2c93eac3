"""A matter told again: progress asked for in its own words, haste, or more about an open ticket."""

from __future__ import annotations

import re

from rasa_sdk.events import SlotSet

from actions import picking, words
from actions.base import ROUTES, Events, Turn, button
from actions.picking import OPEN_STATES
from bot.domain import kin
from bot.domain.taps import payload
from bot.store.own_tickets import OwnTicket

_PROGRESS = re.compile(
    r"咋样|怎么?样了|啥样了|进度|进展|到哪(?:一步|儿|里)?了|(?:处理|办|修|弄|解决)得?(?:怎么样|咋样|如何)"
    r"|有(?:没有)?(?:消息|结果|回音|下文|动静)|什么情况了|啥情况了"
)
_HASTE = re.compile(
    r"(?:怎么|咋)还(?:不|没)|还没(?:有)?人?(?:来|修|处理|解决|动静|管|联系)|快点|催|等了.{0,6}[天时]|都.{1,3}天了"
)


async def about_known(turn: Turn) -> Events | None:
    """Answer when the message is about a ticket that is open; None when it is a new matter."""
    reading = turn.reading
    if len(reading.matters) != 1 or words.names_another(reading.text):
        return None
    if kin.asked_for(reading.text):  # not the resident's own matter
        return None
    tickets = [t for t in await picking.own(turn) if t.status in OPEN_STATES]
    if not tickets:
        return None
    for pattern, intent in ((_PROGRESS, "ticket_status"), (_HASTE, "ticket_urge")):
        if pattern.search(reading.text) and await picking.by_words(turn, tickets):
            return await ROUTES[intent].answer(turn)
    same = next((t for t in tickets if t.item_key == reading.item), None)
    if same is None or _elsewhere(turn, same):
        return None
    return _ask_same(turn, same)


def _elsewhere(turn: Turn, ticket: OwnTicket) -> bool:
    """Whether the message names a building that the ticket's place does not."""
    building = turn.reading.place.get("building")
    return building is not None and not re.search(rf"(?<!\d){building}(?!\d)", ticket.place)


def _ask_same(turn: Turn, ticket: OwnTicket) -> Events:
    turn.outcome = "follow_up"
    buttons = [
        button("是同一件，补充进去", payload("ticket_add_words", ticket_number=ticket.number)),
        button("是新的一件", payload("file_matter", item=ticket.item_key)),
    ]
    turn.say("utter_ask_same", number=ticket.number, item=ticket.item, buttons=buttons)
    turn.ask("same", buttons, yes=0, no=1)
    place, phone = turn.reading.place, turn.reading.get("phone")
    return [SlotSet("asked", {"text": turn.reading.text, "place": place, "phone": phone})]
