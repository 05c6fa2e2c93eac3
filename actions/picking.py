"""Which of the resident's tickets a message means: by number, by words, or the latest."""

from __future__ import annotations

from collections.abc import Callable, Container

from actions import catalogue
from actions.base import Turn
from bot.domain.errors import NotFound
from bot.domain.status import OPEN, Status
from bot.store.own_tickets import OwnTicket, own_tickets

OPEN_STATES = frozenset(s.value for s in OPEN)
RESOLVED = frozenset({Status.RESOLVED.value})
REOPENABLE = frozenset({Status.RESOLVED.value, Status.CLOSED.value})
NOT_YOURS = "没有找到您名下编号为{number}的工单，请核对一下编号。"


async def own(turn: Turn) -> list[OwnTicket]:
    """The resident's tickets, newest first."""
    profile = await turn.profile()
    return await turn.call(own_tickets, profile.id)


async def pick(turn: Turn, states: Container[str]) -> OwnTicket | None:
    """The ticket meant, preferring those in `states`; None when there is none in them.

    Raises NotFound when a number is said that is not among the resident's own.
    """
    return await choose(turn, lambda ticket: ticket.status in states)


async def choose(turn: Turn, fits: Callable[[OwnTicket], bool]) -> OwnTicket | None:
    """The same, preferring those that fit."""
    tickets = await own(turn)
    said = turn.reading.get("ticket_number")
    if said:
        return by_number(tickets, str(said))
    fitting = [t for t in tickets if fits(t)]
    worded = await by_words(turn, fitting)
    if worded:
        return worded
    focus = turn.slot("focus")
    return next((t for t in fitting if t.number == focus), fitting[0] if fitting else None)


def by_number(tickets: list[OwnTicket], said: str) -> OwnTicket:
    """By the whole number or its last digits."""
    for ticket in tickets:
        if ticket.number == said or (len(said) <= 4 and ticket.number.endswith(said.zfill(4))):
            return ticket
    raise NotFound(NOT_YOURS.format(number=said))


async def by_words(turn: Turn, tickets: list[OwnTicket]) -> OwnTicket | None:
    """「我那个漏水的事」: by the item's words, or by words that the ticket shares."""
    if turn.reading.tapped:
        return None
    keys = await catalogue.items_in_words(turn.reading.text)
    for key in keys:
        for ticket in tickets:
            if ticket.item_key == key:
                return ticket
    words = await _known_words(turn.reading.text)
    return next((t for t in tickets if any(word in t.description for word in words)), None)


async def _known_words(text: str) -> list[str]:
    await catalogue.the_community()
    return [word for word in catalogue.vocabulary() if word in text]
