"""Talk about tickets already open: progress, haste, more words, taking back."""

from __future__ import annotations

from typing import Any

from rasa_sdk.events import SlotSet

from actions import emergency, picking, words
from actions.base import LISTENERS, Events, LinliAction, Turn, button
from actions.picking import OPEN_STATES, RESOLVED
from actions.telling import progress, status_card
from bot.domain.taps import payload
from bot.services import resident_steps, residents
from bot.store.own_tickets import OwnTicket

SHOWN = 5


class ActionStatus(LinliAction):
    """Progress of one ticket, or of all when none is named."""

    action = "action_ticket_status"
    intents = ("ticket_status",)

    async def answer(self, turn: Turn) -> Events:
        """Tell state, person, and what happened last."""
        tickets = await picking.own(turn)
        if not tickets and not turn.reading.get("ticket_number"):
            turn.say("utter_not_filed_yet" if turn.in_form else "utter_no_tickets")
            return []
        ticket = await _named(turn, tickets)
        active = [t for t in tickets if t.status in OPEN_STATES | RESOLVED]
        if ticket is None and len(active) > 1:
            return self._list(turn, active)
        ticket = ticket or (active or tickets)[0]
        turn.tell(progress(ticket), buttons=next_steps(ticket), card=status_card(ticket))
        turn.ask("status", next_steps(ticket))
        return [SlotSet("focus", ticket.number)]

    @staticmethod
    def _list(turn: Turn, tickets: list[OwnTicket]) -> Events:
        lines = [f"{t.number} {t.item}：{t.status_name}，{t.who}" for t in tickets[:SHOWN]]
        buttons = [
            button(f"{t.item}（{t.number[-4:]}）", payload("ticket_status", ticket_number=t.number))
            for t in tickets[:SHOWN]
        ]
        turn.say("utter_ticket_list", count=len(tickets), lines="\n".join(lines), buttons=buttons)
        turn.ask("status_list", buttons)
        return []


async def _named(turn: Turn, tickets: list[OwnTicket]) -> OwnTicket | None:
    said = turn.reading.get("ticket_number")
    if said:
        return picking.by_number(tickets, str(said))
    return await picking.by_words(turn, tickets)


def next_steps(ticket: OwnTicket) -> list[dict[str, str]]:
    """What the resident may do with a ticket, as buttons."""
    number = ticket.number
    if ticket.status in OPEN_STATES:
        return [
            button("催一催", payload("ticket_urge", ticket_number=number)),
            button("补充情况", payload("ticket_add", ticket_number=number)),
            button("撤回", payload("ticket_withdraw", ticket_number=number)),
        ]
    if ticket.rateable:
        return [
            button("已解决，评价", payload("ticket_rate", ticket_number=number, solved=True)),
            button("没解决，重办", payload("ticket_reopen", ticket_number=number)),
        ]
    if ticket.reopenable:
        return [button("没解决，重办", payload("ticket_reopen", ticket_number=number))]
    if ticket.appealable:
        return [button("不同意，申诉", payload("ticket_appeal", ticket_number=number))]
    return []


class ActionUrge(LinliAction):
    """The resident asks for haste."""

    action = "action_ticket_urge"
    intents = ("ticket_urge",)

    async def answer(self, turn: Turn) -> Events:
        """Remind the assignee."""
        ticket = await picking.pick(turn, OPEN_STATES)
        if ticket is None:
            turn.say("utter_nothing_open")
            return []
        profile = await turn.profile()
        who = await turn.call(
            resident_steps.urge, ticket.number, profile.id, turn.now, key=turn.key
        )
        phone = f"，电话 {ticket.phone}" if ticket.phone else ""
        turn.say("utter_urged", number=ticket.number, item=ticket.item, who=who, tel=phone)
        return [SlotSet("focus", ticket.number)]


class ActionAdd(LinliAction):
    """More words to an open ticket."""

    action = "action_ticket_add"
    intents = ("ticket_add",)

    async def answer(self, turn: Turn) -> Events:
        """Add the words, or ask for them when a button was tapped."""
        ticket = await picking.pick(turn, OPEN_STATES | RESOLVED)
        if ticket is None:
            turn.say("utter_nothing_open")
            return []
        if turn.reading.tapped:
            turn.say("utter_ask_addition", number=ticket.number)
            turn.ask("addition", [], number=ticket.number)
            return [SlotSet("focus", ticket.number)]
        return await add(turn, ticket.number)


async def add(turn: Turn, number: str) -> Events:
    """Put the message's words on the ticket."""
    profile = await turn.profile()
    text = turn.typed.text
    who = await turn.call(resident_steps.add, number, profile.id, text, turn.now, key=turn.key)
    turn.outcome = "added"
    turn.say("utter_added", number=number, who=who)
    return [SlotSet("focus", number)]


# Said instead of an addition that was asked for, these are what they are.
NOT_ADDITIONS = frozenset(
    {
        "ticket_status",
        "ticket_withdraw",
        "ticket_rate",
        "human",
        "menu",
        "deny",
        "thanks",
        "goodbye",
        "emergency",
    }
)


async def hear_addition(turn: Turn, pending: dict[str, Any]) -> Events | None:
    """The words after 「补充情况」."""
    if turn.reading.intent in NOT_ADDITIONS or await emergency.is_danger(turn.reading):
        return None
    return await add(turn, str(pending["number"]))


LISTENERS["addition"] = hear_addition


class ActionDetail(LinliAction):
    """Loose details outside the form: perhaps more about an open ticket."""

    action = "action_inform_detail"
    intents = ("inform_detail",)

    async def answer(self, turn: Turn) -> Events:
        """Ask whether they belong to the ticket; keep a phone number at once."""
        ticket = await picking.pick(turn, OPEN_STATES)
        if turn.reading.get("phone") and len(words.plain(turn.reading.text)) < 20:
            return await self._phone(turn)
        if ticket is None:
            turn.say("utter_tell_me")
            return []
        buttons = [
            button("是，补充进去", payload("ticket_add_words", ticket_number=ticket.number)),
            button("不是，是另一件事", payload("deny")),
        ]
        turn.say("utter_ask_is_addition", number=ticket.number, item=ticket.item, buttons=buttons)
        turn.ask("is_addition", buttons, yes=0, no=1)
        return [SlotSet("asked", {"text": turn.reading.text})]

    @staticmethod
    async def _phone(turn: Turn) -> Events:
        profile = await turn.profile()
        await turn.call(residents.set_phone, profile.id, str(turn.reading.get("phone")))
        turn.say("utter_phone_kept")
        return []


class ActionAddWords(LinliAction):
    """「是，补充进去」 to words said before."""

    action = "action_ticket_add_words"
    intents = ("ticket_add_words",)

    async def answer(self, turn: Turn) -> Events:
        """Add the words that were kept."""
        text = (turn.slot("asked") or {}).get("text") or ""
        profile, number = await turn.profile(), str(turn.reading.get("ticket_number"))
        who = await turn.call(resident_steps.add, number, profile.id, text, turn.now, key=turn.key)
        turn.say("utter_added", number=number, who=who)
        return [SlotSet("asked", None), SlotSet("focus", number)]


class ActionWithdraw(LinliAction):
    """The resident takes a matter back, after one question."""

    action = "action_ticket_withdraw"
    intents = ("ticket_withdraw",)

    async def answer(self, turn: Turn) -> Events:
        """Ask once; withdraw on yes."""
        ticket = await picking.pick(turn, OPEN_STATES)
        if ticket is None:
            turn.say("utter_nothing_to_withdraw")
            return []
        if turn.reading.get("sure") is not True:
            return self._ask(turn, ticket)
        profile = await turn.profile()
        why = (turn.slot("asked") or {}).get("text") or "居民撤回"
        await turn.call(resident_steps.withdraw, ticket.number, profile.id, why, turn.now)
        turn.outcome = "withdrawn"
        turn.say("utter_withdrawn", number=ticket.number)
        return [SlotSet("asked", None), SlotSet("focus", None)]

    @staticmethod
    def _ask(turn: Turn, ticket: OwnTicket) -> Events:
        sure = payload("ticket_withdraw", ticket_number=ticket.number, sure=True)
        buttons = [button("确认撤回", sure), button("先不撤", payload("deny"))]
        turn.say("utter_ask_withdraw", number=ticket.number, item=ticket.item, buttons=buttons)
        turn.ask("withdraw", buttons, yes=0, no=1)
        why = "" if turn.typed.tapped else words.shorten(turn.typed.text, 200)
        return [SlotSet("asked", {"text": why}), SlotSet("focus", ticket.number)]
