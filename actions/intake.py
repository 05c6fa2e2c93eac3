"""From what a resident tells to tickets: the matter that opens the form, and the submission."""

from __future__ import annotations

import logging
from typing import Any

from rasa_sdk.events import FollowupAction, SlotSet

from actions import catalogue, drafting, emergency, followup, form_hearing, words
from actions.base import (
    LISTENERS,
    OVERHEARD,
    Events,
    LinliAction,
    Turn,
    button,
    record,
    retry_or_go_on,
)
from actions.drafting import Draft
from actions.reading import MATTER_INTENTS, Matter
from actions.telling import tell_ticket
from bot.domain import kin
from bot.domain.errors import LinliError, NotFound
from bot.domain.taps import payload
from bot.services import intake, residents, utterances
from bot.services.intake import Opened

log = logging.getLogger(__name__)


class ActionMatter(LinliAction):
    """A resident tells of a matter: danger and questions are answered, the rest opens the form."""

    action = "action_matter"
    intents = (*sorted(MATTER_INTENTS - {"emergency"}), "file_matter")

    async def answer(self, turn: Turn) -> Events:
        """Choose between emergency, answer and form."""
        reading = turn.reading
        if reading.intent == "file_matter":
            return await self._chosen(turn)
        if odd := words.odd_input(reading.text):
            turn.say(odd)
            return []
        if await emergency.is_danger(reading):
            return await emergency.handle(turn)
        known = await followup.about_known(turn)
        if known is not None:
            return known
        if emergency.may_be_danger(reading):
            turn.say("utter_emergency")
        turn.outcome = "form"
        item = (await catalogue.items()).get(reading.item or "")
        asks = len(reading.matters) == 1 and words.is_question(reading.text)
        if asks and item and item.answer and item.urgency == "normal":
            return self._answer_first(turn, item.key, item.answer)
        return await start(turn, self._matters(turn))

    @staticmethod
    def _answer_first(turn: Turn, key: str, answer: str) -> Events:
        """A question gets its answer in one turn; filing is an offer."""
        turn.outcome = "answered"
        buttons = [
            button("还没解决，提交给工作人员", payload("file_matter", item=key)),
            button("知道了，谢谢", payload("thanks")),
        ]
        turn.tell(answer, buttons=buttons)
        turn.ask("answered", buttons, yes=0, no=1)
        return [SlotSet("asked", asked(turn, turn.reading.text))]

    @staticmethod
    def _matters(turn: Turn) -> tuple[Matter, ...]:
        """The matters; words that answer 「您是想…？」 belong to what was told before."""
        reading, before = turn.reading, turn.slot("asked") or {}
        pending = turn.slot("pending") or {}
        if pending.get("kind") == "unsure" and before.get("text") and len(reading.matters) == 1:
            told = f"{before['text']}；{reading.text}"
            return (Matter(told, reading.item, reading.matters[0].confidence),)
        return reading.matters

    @staticmethod
    async def _chosen(turn: Turn) -> Events:
        """A tapped choice: the words are those told before."""
        before = turn.slot("asked") or {}
        key, category = turn.reading.get("item"), turn.reading.get("category")
        item = (await catalogue.items()).get(str(key or ""))
        if item is None and not category:
            raise NotFound("没有这个服务事项，请直接说说是什么事。")
        text = before.get("text") or (item.name if item else "")
        if not text:
            turn.say("utter_tell_me")
            return []
        return await start(turn, (Matter(text, item.key if item else None),), before)


def asked(turn: Turn, text: str) -> dict[str, Any]:
    """What was told before a question was put back, kept for the ticket that may follow."""
    place, phone = turn.reading.place, turn.reading.get("phone")
    return {"text": text, "place": place, "phone": phone, "id": turn.key}


async def start(
    turn: Turn,
    matters: tuple[Matter, ...],
    before: dict[str, Any] | None = None,
    on_behalf: str | None = None,
) -> Events:
    """Open the form on these matters, filled with all that is known."""
    draft = drafting.new(turn, matters, turn.slot("photos"))
    said = (kin.asked_for(matter.text) for matter in matters)
    draft["on_behalf"] = on_behalf or next((who for who in said if who), None)
    reading = turn.reading
    if before:
        entities = {**(before.get("place") or {}), "phone": before.get("phone")}
        reading = type(reading)("", "", entities=entities)
        draft["told"] = before.get("id")
    elif len(matters) == 1 and reading.item_confidence < drafting.UNSURE_ITEM:
        category = f"{reading.intent}/"
        draft["items"] = [key for key in reading.choices if key.startswith(category)]
        if len(draft["items"]) > 1:
            draft["matters"][0]["item"] = None
    await drafting.fill_from_message(turn, draft, reading)
    draft["alarm"] = emergency.may_be_danger(turn.reading)
    return [
        SlotSet("draft", draft),
        SlotSet("consent", None),
        SlotSet("confirmation", None),
        SlotSet("photos", None),
        FollowupAction(drafting.FORM),
    ]


async def overhear(turn: Turn) -> Events | None:
    """「我替我妈报修」 and nothing more: ask what it is."""
    who = kin.asked_for(turn.reading.text)
    if who is None or not kin.only_says_for_whom(turn.reading.text):
        return None
    turn.say("utter_tell_me_for", who=who)
    turn.ask("on_behalf", [], who=who)
    return []


async def hear_matter_for(turn: Turn, pending: dict[str, Any]) -> Events | None:
    """The matter of the person named before."""
    if not turn.reading.is_matter or await emergency.is_danger(turn.reading):
        return None
    turn.outcome = "form"
    return await start(turn, turn.reading.matters, on_behalf=str(pending["who"]))


OVERHEARD.append(overhear)
LISTENERS["on_behalf"] = hear_matter_for


class ActionSubmit(LinliAction):
    """The form is done: submit, cancel, or turn to an emergency."""

    action = "action_submit_intake"
    records = False

    async def answer(self, turn: Turn) -> Events:
        """Act on the resident's word."""
        draft, verdict = drafting.of(turn), turn.slot("confirmation")
        if draft is None:
            return await already_filed(turn)
        if verdict == form_hearing.DANGER:
            events = cleared() + await emergency.handle(turn)
            await record(turn)
            return events
        if verdict == form_hearing.NO:
            return await cancel(turn, draft)
        return await submit(turn, draft)


def cleared() -> Events:
    """Forget the draft."""
    return [SlotSet(name, None) for name in ("draft", "confirmation", "asked")]


async def cancel(turn: Turn, draft: Draft) -> Events:
    """The resident does not want to file it."""
    await turn.call(utterances.settle_later, draft["id"], "cancelled")
    if drafting.missing(draft) == "consent":
        turn.say("utter_consent_first", who=draft["on_behalf"])
    else:
        turn.say("utter_cancelled")
    return cleared()


async def already_filed(turn: Turn) -> Events:
    """A card tapped twice: say what became of it the first time."""
    opened = turn.slot("opened")
    if opened:
        turn.say("utter_already_filed", numbers="、".join(opened["numbers"]))
    else:
        turn.say("utter_nothing_to_confirm")
    return []


async def submit(turn: Turn, draft: Draft) -> Events:
    """Open a ticket for each matter; on failure nothing is lost and the card comes again."""
    try:
        opened = await _open_all(turn, draft)
    except LinliError as error:
        turn.tell(error.text)
        draft["place"] = None if isinstance(error, NotFound) else draft["place"]
    except Exception as error:
        log.exception("tickets not opened")
        retry_or_go_on(turn, error)
        turn.say("utter_submit_failed")
    else:
        await _tell_opened(turn, draft, opened)
        numbers = [o.number for o in opened]
        kept = {"draft": draft["id"], "numbers": numbers, "place": _kept_place(turn, draft)}
        return [*cleared(), SlotSet("opened", kept), SlotSet("focus", numbers[0])]
    return [SlotSet("draft", draft), SlotSet("confirmation", None), FollowupAction(drafting.FORM)]


def _kept_place(turn: Turn, draft: Draft) -> dict[str, Any] | None:
    """What is offered as the place of the next matter."""
    place = draft.get("place") or {}
    if place.get("building_id") and not draft.get("on_behalf"):
        return place
    return drafting.last_place(turn)


async def _open_all(turn: Turn, draft: Draft) -> list[Opened]:
    profile = await turn.profile()
    if not profile.consented:  # the card says that confirming is consent
        await turn.call(residents.consent, profile.id, turn.now)
    if draft.get("phone"):
        await turn.call(residents.set_phone, profile.id, draft["phone"])
    opened = []
    for number, matter in enumerate(draft["matters"], 1):
        key = draft["id"] if len(draft["matters"]) == 1 else f"{draft['id']}:{number}"
        wanted = _as_service_draft(profile.id, draft, matter, with_photos=number == 1)
        opened.append(
            await turn.call(intake.open_ticket, wanted, idempotency_key=key, now=turn.now)
        )
    item, ticket_id = draft["matters"][0]["item"], opened[0].ticket_id
    for message in filter(None, (draft["id"], draft.get("told"))):
        await turn.call(utterances.filed, message, item, ticket_id)
    return opened


def _as_service_draft(
    resident_id: int, draft: Draft, matter: dict[str, Any], *, with_photos: bool
) -> intake.Draft:
    place = draft.get("place") or {}
    return intake.Draft(
        resident_id=resident_id,
        item_key=matter["item"],
        description=matter["text"],
        building_id=place.get("building_id"),
        unit=place.get("unit"),
        room=place.get("room"),
        attachments=tuple(draft.get("photos") or ()) if with_photos else (),
        on_behalf_of=draft.get("on_behalf"),
        consent_note=draft.get("consent"),
    )


async def _tell_opened(turn: Turn, draft: Draft, opened: list[Opened]) -> None:
    profile = await turn.profile()
    place = draft.get("place") or {}
    for ticket in opened:
        buttons = None
        lives_there = not draft.get("on_behalf") and not profile.building_id
        if ticket is opened[-1] and place.get("building_id") and lives_there:
            buttons = [drafting.place_button("把这里记为我的住址", place)]
        tell_ticket(turn, ticket, "utter_opened", buttons)
