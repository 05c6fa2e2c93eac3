"""A person instead of the machine, and what to do when the machine is unsure."""

from __future__ import annotations

from rasa_sdk.events import SlotSet

from actions import catalogue, intake, picking, words
from actions.base import Events, LinliAction, Turn, button
from actions.form_hearing import HAND_OVER_ITEM
from actions.picking import OPEN_STATES
from bot.domain.taps import payload
from bot.services import resident_steps

MAX_OPTIONS = 2
LONG = 2000


class ActionHuman(LinliAction):
    """Names who has the open ticket and offers the next level; without one, a hand-over."""

    action = "action_human"
    intents = ("human",)

    async def answer(self, turn: Turn) -> Events:
        """Never a second ticket for the same matter."""
        if number := turn.reading.get("escalate"):
            return await self._escalate(turn, str(number))
        ticket = await picking.pick(turn, OPEN_STATES)
        if ticket is not None:
            up = payload("human", escalate=ticket.number)
            other = payload("file_matter", item=HAND_OVER_ITEM)
            buttons = [button("请上一级来跟进", up), button("是别的事，转人工", other)]
            phone = ticket.phone or "（没有留电话）"
            turn.say(
                "utter_human_has_ticket",
                number=ticket.number,
                item=ticket.item,
                who=ticket.who,
                phone=phone,
                buttons=buttons,
            )
            turn.ask("human", buttons, yes=0)
            return self._keep_words(turn)
        buttons = [button("转给社区工作人员", payload("file_matter", item=HAND_OVER_ITEM))]
        turn.say("utter_human_offer", buttons=buttons, phones=await self._phones())
        turn.ask("human", buttons, yes=0)
        return self._keep_words(turn)

    @staticmethod
    async def _phones() -> str:
        nodes = (await catalogue.the_community()).nodes
        return "，".join(f"{n.name} {n.phone}" for n in nodes if n.phone and n.address)

    @staticmethod
    def _keep_words(turn: Turn) -> Events:
        before = turn.slot("asked") or {}
        if before.get("text") or turn.typed.tapped:
            return []
        return [SlotSet("asked", intake.asked(turn, turn.typed.text))]

    @staticmethod
    async def _escalate(turn: Turn, number: str) -> Events:
        profile = await turn.profile()
        who = await turn.call(
            resident_steps.escalate_by_resident,
            number,
            profile.id,
            "居民请求上一级跟进",
            turn.now,
        )
        turn.outcome = "escalated"
        turn.say("utter_escalated", number=number, who=who)
        return [SlotSet("focus", number)]


class ActionUnsure(LinliAction):
    """Two-step fallback: 「您是想…？」 first, a person second."""

    action = "action_unsure"
    intents = ("nlu_fallback",)

    async def answer(self, turn: Turn) -> Events:
        """Short words, then the odd cases, then the likeliest two."""
        text = turn.reading.text
        turn.outcome = "fallback"
        if fixed := words.short_word(text) or words.odd_input(text):
            turn.say(fixed)
            return []
        if turn.reading.urgency == "danger":
            turn.say("utter_emergency")
        if (turn.slot("pending") or {}).get("kind") == "unsure":
            return await self._second_time(turn)
        return await self._ask(turn)

    @staticmethod
    async def _ask(turn: Turn) -> Events:
        known = await catalogue.items()
        worded = await catalogue.items_in_words(turn.reading.text)
        likely = dict.fromkeys([*turn.reading.choices[:1], *worded, *turn.reading.choices])
        options = [key for key in likely if key in known][:MAX_OPTIONS]
        buttons = [
            button(
                f"{catalogue.CATEGORY_NAMES[known[k].category]}：{known[k].name}",
                payload("file_matter", item=k),
            )
            for k in options
        ]
        buttons.append(button("都不是，转人工", payload("human")))
        turn.say("utter_ask_unsure", buttons=buttons)
        turn.ask("unsure", buttons)
        return [SlotSet("asked", intake.asked(turn, turn.reading.text[:LONG]))]

    @staticmethod
    async def _second_time(turn: Turn) -> Events:
        before = (turn.slot("asked") or {}).get("text") or ""
        kept = intake.asked(turn, f"{before}；{turn.reading.text}"[:LONG])
        buttons = [button("转给社区工作人员", payload("file_matter", item=HAND_OVER_ITEM))]
        turn.say("utter_unsure_again", buttons=buttons)
        turn.ask("human", buttons, yes=0)
        return [SlotSet("asked", kept)]


class ActionDefaultFallback(LinliAction):
    """No rule fits: say so in words, and lose nothing."""

    action = "action_default_fallback"

    async def answer(self, turn: Turn) -> Events:
        """Odd input, or the menu."""
        turn.outcome = "fallback"
        turn.say(words.odd_input(turn.reading.text) or "utter_not_understood")
        return []
