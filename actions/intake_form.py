"""The intake form: takes each message into the draft, and asks for the next thing missing."""

from __future__ import annotations

import logging
from typing import Any

from rasa_sdk import FormValidationAction, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions import catalogue, drafting, emergency, form_hearing
from actions.base import Events, LinliAction, Turn, button, record, retry_or_go_on
from actions.drafting import Draft
from bot.domain.errors import LinliError
from bot.domain.taps import payload

log = logging.getLogger(__name__)
CARD_BUTTONS = [
    button("确认提交", payload("affirm")),
    button("改一改", payload("edit_intake")),
    button("不提交", payload("deny")),
]


class ValidateIntakeForm(FormValidationAction):
    """Takes each message into the draft and says what the form asks next."""

    def name(self) -> str:
        """Name in domain.yml."""
        return f"validate_{drafting.FORM}"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Events:
        """Rasa's entry: on a fresh message, on activation, and after an interruption."""
        turn = Turn(dispatcher, tracker)
        draft = drafting.of(turn)
        if draft is None:
            return [SlotSet("requested_slot", None)]
        if not _is_fresh(tracker):
            return [SlotSet("requested_slot", drafting.missing(draft))]
        try:
            heard = await form_hearing.hear(turn, draft, turn.slot("requested_slot"))
        except LinliError as error:
            turn.tell(error.text)
            heard = form_hearing.ASK
        except Exception as error:
            log.exception("intake form could not read a message")
            retry_or_go_on(turn, error)
            turn.say("utter_failure")
            heard = form_hearing.ASK
        return await self._events(turn, draft, heard)

    @staticmethod
    async def _events(turn: Turn, draft: Draft, heard: str) -> Events:
        if heard == form_hearing.REJECT:
            return []  # Rasa then looks for the rule of the intent
        if heard != form_hearing.DANGER:
            turn.outcome = "form"
            await record(turn)
        if heard == form_hearing.ASK:
            return [SlotSet("draft", draft), SlotSet("requested_slot", drafting.missing(draft))]
        return [
            SlotSet("draft", draft),
            SlotSet("confirmation", heard),
            SlotSet("requested_slot", None),
        ]


def _is_fresh(tracker: Tracker) -> bool:
    """Whether the form runs on a message nobody has handled yet (Rasa adds the form itself)."""
    names = [e["name"] for e in reversed(tracker.events) if e.get("event") == "action"]
    return len(names) > 1 and names[0] == drafting.FORM and names[1] == "action_listen"


class AskItem(LinliAction):
    """Which of several items it is."""

    action = "action_ask_intake_form_item"
    records = False

    async def answer(self, turn: Turn) -> Events:
        """Ask with the likeliest as buttons."""
        draft, known = drafting.of(turn) or {}, await catalogue.items()
        options = [key for key in draft.get("items") or () if key in known][:4]
        buttons = [button(known[k].name, payload("file_matter", item=k)) for k in options]
        other = payload("file_matter", item=form_hearing.HAND_OVER_ITEM)
        turn.say("utter_ask_item", buttons=[*buttons, button("都不是，转人工", other)])
        return []


class AskPlace(LinliAction):
    """Where it is; may be skipped."""

    action = "action_ask_intake_form_place"
    records = False

    async def answer(self, turn: Turn) -> Events:
        """Ask according to what is known of the place already."""
        draft = drafting.of(turn) or {}
        parts = draft.get("parts") or {}
        alarm = [emergency.alarm_button()] if draft.get("alarm") else []
        skip = [button("跳过", payload("skip")), *alarm]
        if draft.get("hint") == "no_words":
            turn.say("utter_no_words")
        if draft.get("places"):
            buttons = [*drafting.place_buttons(draft), *skip]
            said = drafting.said_place(parts)
            response = (
                "utter_ask_which_estate" if parts.get("building") else "utter_ask_which_building"
            )
            turn.say(response, buttons=buttons, said=said)
        elif draft.get("unknown"):
            turn.say("utter_unknown_place", buttons=skip, said=draft["unknown"])
        elif draft.get("on_behalf"):
            at_home = await _own_home(turn)
            turn.say("utter_ask_place_of", who=draft["on_behalf"], buttons=[*at_home, *skip])
        else:
            buttons = [*_same_place(draft), *skip]
            turn.say("utter_ask_place", what=await drafting.named(draft), buttons=buttons)
        return []


def _same_place(draft: Draft) -> list[dict[str, str]]:
    """One tap for where the matter before was."""
    last = draft.get("last")
    if not last:
        return []
    return [drafting.place_button(f"还是{drafting.place_words({'place': last})}", last)]


async def _own_home(turn: Turn) -> list[dict[str, str]]:
    """One tap for who lives under the same roof."""
    profile = await turn.profile()
    if not profile.building_id:
        return []
    return [drafting.place_button("和我住一起", await drafting.home_place(turn))]


class AskConsent(LinliAction):
    """Whether the person for whom the resident asks agrees; asked once."""

    action = "action_ask_intake_form_consent"
    records = False

    async def answer(self, turn: Turn) -> Events:
        """Ask, with yes and no as buttons."""
        draft = drafting.of(turn) or {}
        buttons = [button("本人同意", payload("affirm")), button("还没问过", payload("deny"))]
        turn.say("utter_ask_consent", who=draft.get("on_behalf") or "本人", buttons=buttons)
        return []


class AskConfirmation(LinliAction):
    """The card."""

    action = "action_ask_intake_form_confirmation"
    records = False

    async def answer(self, turn: Turn) -> Events:
        """Show what will be filed; its words tell how to correct it."""
        draft = drafting.of(turn)
        if draft is None:
            return []
        if draft.get("hint") == "no_words":
            turn.say("utter_no_words")
        if draft.get("editing"):
            turn.say("utter_ask_change")
            return []
        card = {"type": "confirm", "title": "请核对", "rows": await drafting.rows(draft)}
        alarm = [emergency.alarm_button()] if draft.get("alarm") else []
        turn.say("utter_confirm_card", buttons=[*CARD_BUTTONS, *alarm], card=card)
        return []
