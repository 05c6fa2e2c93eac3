"""Rating a finished ticket (评单), and asking for it to be done again."""

from __future__ import annotations

from typing import Any

from rasa_sdk.events import SlotSet

from actions import picking, words
from actions.base import LISTENERS, Events, LinliAction, Turn, button
from actions.picking import REOPENABLE
from bot.domain.errors import BadInput, WrongState
from bot.domain.status import Status
from bot.domain.taps import payload
from bot.services import resident_steps
from bot.store.own_tickets import OwnTicket

CONTENT = 4  # from so many stars on, a rating without a word on it counts as solved


class ActionRate(LinliAction):
    """Stars, solved or not, and words."""

    action = "action_ticket_rate"
    intents = ("ticket_rate",)

    async def answer(self, turn: Turn) -> Events:
        """Rate what is known; ask for one missing thing."""
        stars, solved = _stars(turn), turn.reading.get("solved")
        ticket = await self._ticket(turn)
        if ticket is None:
            turn.say(turn.odd or "utter_nothing_to_rate")
            return []
        if solved is None and stars is not None and stars >= CONTENT:
            solved = True
        if solved is None and ticket.rateable:
            return _ask_solved(turn, ticket, stars)
        if solved and stars is None and ticket.rateable:
            return _ask_stars(turn, ticket)
        return await rate(turn, ticket.number, stars, solved)

    @staticmethod
    async def _ticket(turn: Turn) -> OwnTicket | None:
        waiting = await picking.choose(turn, lambda t: t.rateable)
        if waiting and not waiting.rateable and waiting.status not in REOPENABLE:
            raise WrongState(f"工单{waiting.number}还没有办结，办结后再请您评价。")
        return waiting or await picking.pick(turn, {Status.CLOSED.value})


def _stars(turn: Turn) -> int | None:
    value = turn.reading.get("rating")
    said = words.stars(turn.typed.text) if not turn.typed.tapped else None
    stars = said if said is not None else (int(value) if value is not None else None)
    if stars is not None and not 1 <= stars <= 5:
        raise BadInput("评分请选 1 到 5 颗星。")
    return stars


def _ask_solved(turn: Turn, ticket: OwnTicket, stars: int | None) -> Events:
    extra = {"rating": stars} if stars else {}
    number = ticket.number
    buttons = [
        button("已解决", payload("ticket_rate", ticket_number=number, solved=True, **extra)),
        button("没解决", payload("ticket_rate", ticket_number=number, solved=False, **extra)),
    ]
    turn.say("utter_ask_solved", number=number, item=ticket.item, buttons=buttons)
    turn.ask("solved", buttons, yes=0, no=1)
    return [SlotSet("focus", number)]


def _ask_stars(turn: Turn, ticket: OwnTicket) -> Events:
    number = ticket.number
    buttons = [
        button("★" * n, payload("ticket_rate", ticket_number=number, solved=True, rating=n))
        for n in range(1, 6)
    ]
    turn.say("utter_ask_stars", number=number, buttons=buttons)
    turn.ask("stars", buttons)
    return [SlotSet("focus", number)]


async def rate(turn: Turn, number: str, stars: int | None, solved: bool | None) -> Events:
    """Store the rating, and thank or reopen."""
    profile = await turn.profile()
    said = "" if turn.typed.tapped else turn.typed.text
    remark = said if len(words.plain(said)) > 6 else ""
    after = await turn.call(
        resident_steps.rate,
        number,
        profile.id,
        turn.now,
        stars=stars,
        solved=solved,
        words=remark,
    )
    turn.outcome = "rated"
    if after == Status.REOPENED.value:
        turn.say("utter_rated_unsolved", number=number)
    else:
        turn.say("utter_rated", number=number, stars="★" * stars if stars else "已解决")
        turn.ask("remark", [], number=number)
    return [SlotSet("focus", number)]


REMARKS = frozenset(["praise", "ticket_rate", "inform_detail", "vent", "chitchat"])


async def hear_remark(turn: Turn, pending: dict[str, Any]) -> Events | None:
    """Words said after the stars."""
    if turn.reading.intent not in REMARKS or words.stars(turn.typed.text) is not None:
        return None
    profile, number = await turn.profile(), str(pending["number"])
    await turn.call(resident_steps.rate, number, profile.id, turn.now, words=turn.typed.text)
    turn.say("utter_remark_kept")
    return []


LISTENERS["remark"] = hear_remark


class ActionReopen(LinliAction):
    """「没解决」: done again, one level up."""

    action = "action_ticket_reopen"
    intents = ("ticket_reopen",)

    async def answer(self, turn: Turn) -> Events:
        """Reopen the ticket that was finished."""
        ticket = await picking.choose(turn, lambda t: t.status in REOPENABLE or t.rateable)
        if ticket is not None and ticket.status not in REOPENABLE and ticket.rateable:
            return await rate(turn, ticket.number, None, False)  # merged: the parent is done again
        if ticket is None:
            open_one = await picking.pick(turn, picking.OPEN_STATES)
            if open_one is None:
                turn.say("utter_nothing_to_reopen")
            else:
                urge = payload("ticket_urge", ticket_number=open_one.number)
                buttons = [button("催一催", urge)]
                turn.say(
                    "utter_still_open", number=open_one.number, buttons=buttons, who=open_one.who
                )
                turn.ask("still_open", buttons, yes=0)
            return []
        profile = await turn.profile()
        why = "居民反映未解决" if turn.typed.tapped else turn.typed.text
        who = await turn.call(resident_steps.reopen, ticket.number, profile.id, why, turn.now)
        turn.outcome = "reopened"
        turn.say("utter_reopened", number=ticket.number, who=who)
        return [SlotSet("focus", ticket.number)]
