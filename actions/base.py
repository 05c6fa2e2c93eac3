"""What every action shares: the turn, errors in words, answers to open questions, the record."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher
from sqlalchemy.exc import InterfaceError, OperationalError

from actions import words
from actions.reading import from_message, from_payload
from bot.domain.errors import LinliError
from bot.services import residents, utterances
from bot.services.clock import now as clock_now
from bot.services.residents import Profile
from bot.store.db import session_factory

log = logging.getLogger(__name__)
T = TypeVar("T")
Events = list[dict[str, Any]]
PENDING = "pending"
PENDING_TURNS = 2  # a question nobody answers is dropped after so many messages

# Intent → the action that handles it; filled as classes are defined, used for answers in words.
ROUTES: dict[str, LinliAction] = {}

# Kind of an open question → who listens for free words that answer it (None: not an answer).
Listener = Callable[["Turn", dict[str, Any]], Awaitable["Events | None"]]
LISTENERS: dict[str, Listener] = {}

# Listeners to words that mean one thing whatever the model hears; the first answer is the answer.
OVERHEARD: list[Callable[[Turn], Awaitable[Events | None]]] = []


class Turn:
    """One message of one resident: who, what was understood, and how to answer."""

    def __init__(self, dispatcher: CollectingDispatcher, tracker: Tracker) -> None:
        self.dispatcher, self.tracker = dispatcher, tracker
        self.channel = tracker.get_latest_input_channel() or "rest"
        self.sender = tracker.sender_id
        self.reading = from_message(tracker.latest_message or {})
        self.typed = self.reading  # stays what came in, when an answer in words becomes a tap
        self.now: dt.datetime = clock_now()
        self.outcome = "talk"
        self.ticket_id: int | None = None
        self.pending: dict[str, Any] | None = None  # a question asked in this turn
        self.keep = True  # whether what was said is kept for review
        self.answered = False  # the question open before this turn has its answer
        self._profile: Profile | None = None

    @property
    def key(self) -> str:
        """Idempotency key of what this message causes."""
        message_id = str((self.tracker.latest_message or {}).get("message_id") or "")
        prefix = f"{self.channel}:"
        return message_id if message_id.startswith(prefix) else prefix + message_id

    @property
    def model(self) -> str | None:
        """Rasa's id of the model that read this message, from the message's event."""
        users = (e for e in reversed(self.tracker.events) if e.get("event") == "user")
        return ((next(users, None) or {}).get("metadata") or {}).get("model_id")

    def slot(self, name: str) -> Any:
        """Value of a slot."""
        return self.tracker.get_slot(name)

    @property
    def in_form(self) -> bool:
        """Whether the intake form is open."""
        return bool((self.tracker.active_loop or {}).get("name"))

    @property
    def odd(self) -> str | None:
        """The response to typed signs that hold no words, whatever the model makes of them."""
        return None if self.typed.tapped else words.odd_input(self.typed.text)

    async def call(self, use_case: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a use case in a thread: the core is synchronous."""
        return await asyncio.to_thread(use_case, session_factory(), *args, **kwargs)

    async def profile(self) -> Profile:
        """The resident; made on first contact."""
        if self._profile is None:
            self._profile = await self.call(residents.profile, self.channel, self.sender, self.now)
        return self._profile

    def forget_profile(self) -> None:
        """Read the profile anew next time: it was changed."""
        self._profile = None

    def say(
        self,
        response: str,
        *,
        buttons: list[dict[str, str]] | None = None,
        card: dict[str, Any] | None = None,
        **values: Any,
    ) -> None:
        """Answer with a response of domain.yml."""
        custom = {"card": card} if card else None
        self.dispatcher.utter_message(
            response=response, buttons=buttons, json_message=custom, **values
        )

    def tell(
        self,
        text: str,
        *,
        buttons: list[dict[str, str]] | None = None,
        card: dict[str, Any] | None = None,
    ) -> None:
        """Answer with a text that is made, such as a service answer."""
        custom = {"card": card} if card else None
        self.dispatcher.utter_message(text=text, buttons=buttons, json_message=custom)

    def ask(self, kind: str, buttons: list[dict[str, str]], **data: Any) -> None:
        """Remember the buttons just shown, so that they can be answered in words too."""
        self.pending = {"kind": kind, "options": buttons, "turns": 0, **data}

    def as_tapped(self, payload: str) -> None:
        """Go on as if this button had been tapped."""
        self.reading = replace(from_payload(payload), text=self.typed.text)


def button(title: str, payload: str) -> dict[str, str]:
    """A tappable choice."""
    return {"title": title, "payload": payload}


def answer_to(pending: dict[str, Any], text: str) -> str | None:
    """The payload of the option that words choose: by number, by title, by yes or no."""
    options = pending.get("options") or []
    number = words.choice(text)
    if number is not None and number <= len(options):
        return str(options[number - 1]["payload"])
    said = words.plain(text)
    for option in options:
        title = words.plain(option["title"])
        if said and (said == title or (len(said) >= 2 and said in title)):
            return str(option["payload"])
    if words.is_yes(text) and pending.get("yes") is not None:
        return str(options[pending["yes"]]["payload"])
    if words.is_no(text) and pending.get("no") is not None:
        return str(options[pending["no"]]["payload"])
    return None


class LinliAction(Action, ABC):
    """Base of all actions: `answer` does the work, errors become one clear sentence."""

    action = ""
    intents: tuple[str, ...] = ()
    records = True  # False where another action of the same turn keeps the utterance

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for intent in cls.intents:
            ROUTES[intent] = cls()

    def name(self) -> str:
        """Name in domain.yml."""
        return self.action

    @abstractmethod
    async def answer(self, turn: Turn) -> Events:
        """Do the work; events for Rasa."""

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Events:
        """Rasa's entry."""
        turn = Turn(dispatcher, tracker)
        try:
            events = await self._route(turn)
        except LinliError as error:
            turn.tell(error.text)
            turn.outcome, events = "refused", []
        except Exception as error:
            log.exception("%s failed", self.action)
            retry_or_go_on(turn, error)
            turn.say("utter_failure")
            turn.outcome, events = "failed", []
        if self.records:
            await record(turn)
        return events + self._pending_events(turn)

    async def _route(self, turn: Turn) -> Events:
        pending = turn.slot(PENDING)
        if pending and not turn.reading.tapped and not turn.in_form:
            chosen = answer_to(pending, turn.reading.text)
            if chosen is not None:
                turn.as_tapped(chosen)
                handler = ROUTES.get(turn.reading.intent, self)
                return await handler.answer(turn)
            listener = LISTENERS.get(pending["kind"])
            events = await listener(turn, pending) if listener else None
            if events is not None:
                turn.answered = True
                return events
        if not turn.reading.tapped and not turn.in_form:
            for overhear in OVERHEARD:
                events = await overhear(turn)
                if events is not None:
                    return events
        return await self.answer(turn)

    @staticmethod
    def _pending_events(turn: Turn) -> Events:
        old = turn.slot(PENDING)
        if turn.pending is not None:
            return [SlotSet(PENDING, turn.pending)]
        if not old:
            return []
        answered = turn.answered or turn.reading.tapped or old["turns"] + 1 >= PENDING_TURNS
        return [SlotSet(PENDING, None if answered else {**old, "turns": old["turns"] + 1})]


# Channels that store each message first, and run the turn again when the action server fails.
RETRYING = frozenset({"webchat", "wechat", "wecom"})


def retry_or_go_on(turn: Turn, error: Exception) -> None:
    """Let the channel try the turn again when only the database was away; else come back."""
    if turn.channel in RETRYING and isinstance(error, OperationalError | InterfaceError):
        raise error


async def record(turn: Turn) -> None:
    """One utterance row a message; a failure here must not cost the resident the answer."""
    said = turn.typed
    if said.tapped or not turn.keep or not said.text.strip():
        return
    try:
        person = await turn.profile()
        heard = utterances.Heard(
            turn.key,
            person.id,
            said.text,
            said.intent,
            said.item,
            said.confidence,
            [dict(entry) for entry in said.ranking[:4]],
            turn.model,
        )
        await turn.call(utterances.record, heard, turn.outcome, turn.now, turn.ticket_id)
    except Exception:
        log.exception("utterance not recorded")
