"""申诉: the resident does not accept a rejection or a merge; somebody above looks at it again."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk.events import SlotSet

from actions import emergency, picking, words
from actions.base import LISTENERS, OVERHEARD, Events, LinliAction, Turn
from bot.services import oversight
from bot.store.own_tickets import OwnTicket

# What says 「I appeal」 by itself; what is said beside it is the reason.
_APPEAL = re.compile(
    r"我?(?:要|想|来)?申诉|我?(?:不同意|不服|不认可|不接受)(?:这个|你们的?|这样的?)?"
    r"(?:不予受理|处理|结果|决定|答复|合并|并单|说法)?|凭什么(?:不予?受理|不管|驳回|合并)"
)
_NOTHING_ELSE = re.compile(r"我?(?:要|想)?(?:怎么)?申诉(?:一下|吗|呢)?")
_JOINTS = re.compile(r"^[\W_]*(?:因为|理由是|的)?|[\W_]+$")
REASON = 4  # characters from which words beside 「我不同意」 are a reason
# Said instead of a reason, these are what they are.
NOT_REASONS = frozenset({"deny", "ticket_status", "menu", "thanks", "goodbye", "human"})


class ActionAppeal(LinliAction):
    """The button 「申诉」 under a notice or a ticket."""

    action = "action_ticket_appeal"
    intents = ("ticket_appeal",)

    async def answer(self, turn: Turn) -> Events:
        """Ask for the reason; inside the form, the form comes first."""
        if turn.in_form:
            turn.say("utter_finish_first")
            return []
        ticket = await _meant(turn)
        if ticket is None:
            turn.say("utter_nothing_to_appeal")
            return []
        return _ask(turn, ticket)


async def _meant(turn: Turn) -> OwnTicket | None:
    """The ticket named by a tap, or the latest that may be appealed against or is."""
    tickets = await picking.own(turn)
    if said := turn.reading.get("ticket_number"):
        return picking.by_number(tickets, str(said))
    return next((t for t in tickets if t.appealable or t.appeal == oversight.APPEAL_OPEN), None)


def _ask(turn: Turn, ticket: OwnTicket) -> Events:
    number = ticket.number
    if ticket.appeal == oversight.APPEAL_OPEN:
        turn.say("utter_appeal_pending", number=number)
        return [SlotSet("focus", number)]
    why = words.shorten(ticket.last_note, 80).rstrip("。") or ticket.status_name
    turn.say("utter_ask_appeal", number=number, item=ticket.item, why=why)
    turn.ask("appeal", [], number=number)
    return [SlotSet("focus", number)]


async def _appeal(turn: Turn, number: str, why: str) -> Events:
    profile = await turn.profile()
    await turn.call(oversight.appeal, number, profile.id, why, turn.now)
    turn.outcome = "appealed"
    turn.say("utter_appealed", number=number)
    return [SlotSet("focus", number)]


async def hear_reason(turn: Turn, pending: dict[str, Any]) -> Events | None:
    """The words after 「请说一下理由」."""
    if words.is_no(turn.reading.text) or turn.reading.intent in NOT_REASONS:
        return None
    if await emergency.is_danger(turn.reading):
        return None
    return await _appeal(turn, str(pending["number"]), turn.typed.text)


async def overhear(turn: Turn) -> Events | None:
    """「我不同意，明明是公共管道」 while there is something to appeal against."""
    text = turn.reading.text
    if not _APPEAL.search(text) or await emergency.is_danger(turn.reading):
        return None
    ticket = await _meant(turn)
    if ticket is None:
        if not _NOTHING_ELSE.fullmatch(words.plain(text)):
            return None
        turn.say("utter_nothing_to_appeal")
        return []
    reason = _JOINTS.sub("", _APPEAL.sub("", text))
    if ticket.appealable and len(words.plain(reason)) >= REASON:
        return await _appeal(turn, ticket.number, text)
    return _ask(turn, ticket)


LISTENERS["appeal"] = hear_reason
OVERHEARD.append(overhear)
