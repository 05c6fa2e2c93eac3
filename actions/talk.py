"""Talk that opens no ticket: greeting, thanks, anger, praise, small talk."""

from __future__ import annotations

import re

from rasa_sdk.events import SlotSet

from actions import emergency, home, intake, picking, words
from actions.base import ROUTES, Events, LinliAction, Turn, button
from actions.picking import OPEN_STATES, RESOLVED
from bot.domain.taps import payload
from bot.services import resident_steps

MENU = [
    button("我要反映问题", payload("start_matter")),
    button("查进度", payload("ticket_status")),
    button("办事时间和电话", payload("ask_place")),
    button("转人工", payload("human")),
]

HURRY = re.compile(r"急|出事|快来|救")


class ActionGreet(LinliAction):
    """First use: what it can do, privacy in a line, and where the resident lives."""

    action = "action_greet"
    intents = ("greet",)

    async def answer(self, turn: Turn) -> Events:
        """A newcomer is asked for the home; others are greeted. Smileys alone are no greeting."""
        if odd := turn.odd:
            turn.say(odd)
            return []
        profile = await turn.profile()
        if profile.building_id is None and not turn.slot("greeted"):
            await home.ask_estate(turn, "utter_welcome")
            return [SlotSet("greeted", True)]
        turn.say("utter_greet_again", buttons=[] if turn.in_form else MENU)
        return []


class ActionMenu(LinliAction):
    """What it can do."""

    action = "action_menu"
    intents = ("menu",)

    async def answer(self, turn: Turn) -> Events:
        """Show the menu; in the form without buttons, which would lead away from it."""
        turn.say("utter_menu", buttons=[] if turn.in_form else MENU)
        return []


class ActionStartMatter(LinliAction):
    """「我要反映问题」, 「有个事」, 「我要报修」: without saying what."""

    action = "action_start_matter"
    intents = ("start_matter",)

    async def answer(self, turn: Turn) -> Events:
        """Ask for it in the resident's own words; another that is being told comes first."""
        hurry = HURRY.search(turn.reading.text)
        unhurried = "utter_one_by_one" if turn.in_form else "utter_tell_me"
        turn.say("utter_tell_me_now" if hurry else unhurried)
        return []


class ActionSmallTalk(LinliAction):
    """One fixed answer an intent; odd input is named as such."""

    action = "action_small_talk"
    intents = ("thanks", "goodbye", "bot_challenge", "chitchat", "out_of_scope")

    async def answer(self, turn: Turn) -> Events:
        """Answer briefly; no ticket."""
        fixed = None
        if words.asks_when(turn.typed.text) and await picking.pick(turn, OPEN_STATES):
            return await ROUTES["ticket_status"].answer(turn)
        if not turn.typed.tapped:
            fixed = words.short_word(turn.typed.text) or turn.odd
        names = {"bot_challenge": "utter_bot"}
        turn.say(fixed or names.get(turn.reading.intent, f"utter_{turn.reading.intent}"))
        return []


class ActionVent(LinliAction):
    """Anger without a matter: a short acknowledgement and what can be done, not a menu."""

    action = "action_vent"
    intents = ("vent",)

    async def answer(self, turn: Turn) -> Events:
        """Point to the open ticket, or ask what happened."""
        if await emergency.is_danger(turn.reading) or turn.reading.urgency == "danger":
            turn.say("utter_emergency")
        ticket = await picking.pick(turn, OPEN_STATES)
        if ticket is None:
            turn.say("utter_vent_filing" if turn.in_form else "utter_vent")
            return []
        buttons = [button("替我催一催", payload("ticket_urge", ticket_number=ticket.number))]
        phone = f"，电话 {ticket.phone}" if ticket.phone else ""
        turn.say("utter_vent_ticket", item=ticket.item, who=ticket.who, tel=phone, buttons=buttons)
        turn.ask("vent", buttons, yes=0)
        return [SlotSet("focus", ticket.number)]


class ActionPraise(LinliAction):
    """Praise goes to the person it is for, when a ticket tells who."""

    action = "action_praise"
    intents = ("praise",)

    async def answer(self, turn: Turn) -> Events:
        """Pass it on as words on the ticket; else just thank."""
        ticket = await picking.pick(turn, OPEN_STATES | RESOLVED)
        if ticket is None or turn.reading.tapped:
            turn.say("utter_praise")
            return []
        profile = await turn.profile()
        text = f"居民表扬：{turn.reading.text}"
        who = await turn.call(
            resident_steps.add, ticket.number, profile.id, text, turn.now, key=turn.key
        )
        turn.say("utter_praise_told", who=who)
        return []


class ActionAffirm(LinliAction):
    """「好的」 outside the form; a card left open is confirmed even after the session ended."""

    action = "action_affirm"
    intents = ("affirm",)

    async def answer(self, turn: Turn) -> Events:
        """Confirm the old card, or just agree."""
        draft = intake.drafting.of(turn)
        if draft and intake.drafting.is_complete(draft) and turn.typed.tapped:
            return await intake.submit(turn, draft)
        if turn.typed.tapped:
            return await intake.already_filed(turn)
        turn.say(turn.odd or "utter_ok")
        return []


class ActionDeny(LinliAction):
    """「不用了」 outside the form."""

    action = "action_deny"
    intents = ("deny",)

    async def answer(self, turn: Turn) -> Events:
        """Drop a card left open, or just agree."""
        draft = intake.drafting.of(turn)
        if draft and not turn.in_form:
            return await intake.cancel(turn, draft)
        turn.say("utter_deny")
        return []


class ActionCorrect(LinliAction):
    """「不对，是4号楼」 when no card is open: the home, or what was opened just now."""

    action = "action_correct"
    intents = ("correct", "edit_intake")

    async def answer(self, turn: Turn) -> Events:
        """Pass the correction to the ticket just opened."""
        ticket = await picking.pick(turn, OPEN_STATES)
        if ticket is None or turn.reading.tapped:
            turn.say("utter_tell_me")
            return []
        profile = await turn.profile()
        text = f"居民更正：{turn.reading.text}"
        who = await turn.call(
            resident_steps.add, ticket.number, profile.id, text, turn.now, key=turn.key
        )
        turn.say("utter_added", number=ticket.number, who=who)
        return [SlotSet("focus", ticket.number)]
