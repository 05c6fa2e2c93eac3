"""How the intake form reads a message: by stage, first taps and short answers, then words.

`hear` changes the draft and says what to do: ASK goes on asking, REJECT leaves the message to the
rule of its intent (an interruption), YES and NO end the form, DANGER ends it at once.
"""

from __future__ import annotations

import re
from dataclasses import replace

from actions import catalogue, drafting, emergency, words
from actions.base import Turn
from actions.drafting import Draft
from actions.reading import Reading

ASK, REJECT, YES, NO, DANGER = "ask", "reject", "yes", "no", "danger"

# Said in the middle of the form, these are answered by their own rule; then the form goes on.
INTERRUPTIONS = frozenset(
    {
        "ask_meeting",
        "ask_place",
        "ask_policy",
        "bot_challenge",
        "chitchat",
        "errand",
        "goodbye",
        "greet",
        "human",
        "menu",
        "out_of_scope",
        "praise",
        "privacy",
        "start_matter",
        "thanks",
        "ticket_rate",
        "ticket_reopen",
        "ticket_status",
        "ticket_urge",
        "ticket_withdraw",
        "vent",
        "volunteer",
    }
)
AGREED = "提交人说本人已同意"
HAND_OVER_ITEM = "other_service/assistance"
_SMALL_NUMBER = re.compile(r"^([0-9]{1,3}|[A-Za-z])(?:号|栋|幢|座)?$")
_NEW_VALUE = re.compile(r"(?:而是|应该是|改成|改为|是)([^是]{2,})$")


async def hear(turn: Turn, draft: Draft, stage: str | None) -> str:
    """Take a fresh message into the draft."""
    reading = turn.reading
    if reading.tapped:
        return await _hear_tap(turn, draft)
    draft.pop("hint", None)
    if not words.has_words(reading.text):
        draft["hint"] = "no_words"
        return ASK
    short = await _hear_short(turn, draft, stage)
    if short:
        return short
    if await emergency.is_danger(reading):
        return DANGER
    if reading.intent in INTERRUPTIONS and not (stage == "place" and _is_address(reading)):
        return REJECT
    if await _answered(turn, draft):
        return ASK
    return await _hear_words(turn, draft, stage)


async def _hear_tap(turn: Turn, draft: Draft) -> str:
    reading = turn.reading
    if reading.intent == "emergency":
        return DANGER
    if reading.intent == "affirm" and drafting.missing(draft) == "consent":
        draft["consent"] = AGREED
        return ASK
    if reading.intent in {"affirm", "deny"}:
        return YES if reading.intent == "affirm" and drafting.is_complete(draft) else _deny(reading)
    if reading.intent == "skip":
        _skip_place(draft)
    elif reading.intent == "edit_intake":
        draft["editing"] = True
    elif reading.intent == "inform_photo" and reading.get("attachment"):
        draft["photos"] = [*draft.get("photos", ()), str(reading.get("attachment"))]
    elif reading.intent == "file_matter" and reading.get("item"):
        await _set_item(draft, str(reading.get("item")))
    elif reading.intent == "set_home" and reading.get("building_id"):
        if reading.place:  # the resident's own home, with unit and room
            draft["parts"] = reading.place
        await drafting.pick_building(turn, draft, int(reading.get("building_id")))
    else:
        return REJECT
    return ASK


def _deny(reading: Reading) -> str:
    return NO if reading.intent == "deny" else ASK


def _skip_place(draft: Draft) -> None:
    if not draft.get("place"):
        draft["place"] = {"skipped": True}
    for name in ("parts", "places", "unknown"):
        draft.pop(name, None)


async def _set_item(draft: Draft, key: str) -> None:
    if key in await catalogue.items():
        matter = drafting.unclear(draft) or draft["matters"][-1]
        matter["item"], matter["sure"] = key, 1.0


async def _hear_short(turn: Turn, draft: Draft, stage: str | None) -> str:
    """Answers of a word or a figure; empty when it is none."""
    text, number = turn.reading.text, words.choice(turn.reading.text)
    if stage == "confirmation":
        by_number = {1: YES, 2: "edit", 3: NO}.get(number or 0)
        if by_number == "edit" or (not by_number and words.is_edit(text)):
            draft["editing"] = True
            return ASK
        if by_number or words.is_yes(text) or words.is_no(text):
            return by_number or (YES if words.is_yes(text) else NO)
    if stage == "consent":
        return _short_consent(draft, text, number)
    if stage == "place":
        return await _short_place(turn, draft, number)
    if stage == "item":
        return await _short_item(draft, text, number)
    return ""


def _short_consent(draft: Draft, text: str, number: int | None) -> str:
    """The word of the person for whom the resident asks, as the resident passes it on."""
    said = words.shorten(text, 100)
    if number == 1 or words.is_yes(text):
        draft["consent"] = AGREED
    elif words.is_own(text):
        draft["on_behalf"] = None
    elif words.cares(text):
        draft["consent"] = f"由照料人提交：{said}"
    elif words.agrees(text):
        draft["consent"] = f"{AGREED}：{said}"
    else:
        return NO if number == 2 or words.is_no(text) or words.disagrees(text) else ""
    return ASK


async def _short_place(turn: Turn, draft: Draft, number: int | None) -> str:
    text, places = turn.reading.text, draft.get("places") or []
    if words.is_skip(text):
        _skip_place(draft)
        return ASK
    asked_for_last = draft.get("last") and not places and not draft.get("unknown")
    if asked_for_last and (number == 1 or words.is_yes(text) or words.is_same(text)):
        draft["place"] = draft.pop("last")
        return ASK
    if words.is_no(text):
        return NO
    if number and number <= len(places):
        await drafting.pick_building(turn, draft, places[number - 1][0])
        return ASK
    named = [p for p in places if words.plain(text) in words.plain(p[1])] if len(text) > 1 else []
    if len(named) == 1:
        await drafting.pick_building(turn, draft, named[0][0])
        return ASK
    figure = _SMALL_NUMBER.match(words.plain(text))
    if figure:
        part = "room" if len(figure[1]) == 3 else "building"
        await drafting.settle_place(turn, draft, {part: figure[1].upper()})
        return ASK
    return ""


async def _short_item(draft: Draft, text: str, number: int | None) -> str:
    options: list[str] = draft.get("items") or []
    if words.plain(text) in {"都不是", "其他", "转人工", "都不对"} or number == len(options) + 1:
        await _set_item(draft, HAND_OVER_ITEM)
        return ASK
    if number and number <= len(options):
        await _set_item(draft, options[number - 1])
        return ASK
    return NO if words.is_no(text) else ""


def _is_address(reading: Reading) -> bool:
    """An address read as talk; a question that names a place is not one."""
    return "building" in reading.place and not words.QUESTION.search(reading.text)


async def _hear_words(turn: Turn, draft: Draft, stage: str | None) -> str:
    reading = turn.reading
    named = bool(reading.place or reading.get("phone"))
    if reading.get("phone"):
        draft["phone"] = str(reading.get("phone"))
    if reading.place:
        await drafting.settle_place(turn, draft, reading.place)
    if await _hear_matter(draft, reading, stage, named) or named:
        draft.pop("editing", None)
        return ASK
    if reading.intent == "deny":
        return NO
    if reading.intent == "affirm":
        return YES if stage == "confirmation" else ASK
    if stage == "place" and reading.intent in {"skip"}:
        _skip_place(draft)
    elif stage == "place" and reading.intent in {"inform_place", "set_home", "nlu_fallback"}:
        draft["unknown"] = words.shorten(reading.text, 20)
    elif stage == "item":
        await _item_from_words(draft, reading)
    elif reading.intent == "correct":
        draft["editing"] = True
    else:
        drafting.add_detail(draft, reading.text)
        draft.pop("editing", None)
    return ASK


async def _answered(turn: Turn, draft: Draft) -> bool:
    """Answer a question about something else; the form then goes on where it was."""
    reading = turn.reading
    if len(reading.matters) != 1 or reading.place or not words.is_question(reading.text):
        return False
    if words.is_correcting(reading.text) or drafting.unclear(draft) or draft.get("editing"):
        return False
    item = (await catalogue.items()).get(reading.item or "")
    known = any(matter["item"] == reading.item for matter in draft["matters"])
    if item is None or known or not item.answer or item.urgency != "normal":
        return False
    turn.tell(item.answer)
    return True


async def _hear_matter(draft: Draft, reading: Reading, stage: str | None, named: bool) -> bool:
    """A new item for the matter, more words to it, or another matter; False when none is told."""
    correcting = words.is_correcting(reading.text) or bool(draft.get("editing"))
    if reading.intent == "correct" or (correcting and not reading.is_matter):
        value = _NEW_VALUE.search(reading.text)
        found = await catalogue.items_in_words(value[1] if value else reading.text)
        if found and not (named and not value):
            _replace_item(draft, found[0], reading.text)
        return bool(found)
    if not reading.is_matter:
        return False
    if drafting.unclear(draft):
        await _item_from_words(draft, reading)
        drafting.add_detail(draft, reading.text)
    elif correcting and reading.item:
        value = _NEW_VALUE.search(reading.text)
        found = await catalogue.items_in_words(value[1]) if value else []
        _replace_item(draft, found[0] if found else reading.item, reading.text)
    else:
        await _another(draft, reading)
    return True


def _replace_item(draft: Draft, key: str, text: str) -> None:
    last = draft["matters"][-1]
    last["item"], last["sure"] = key, 1.0
    drafting.add_detail(draft, text)


async def _another(draft: Draft, reading: Reading) -> None:
    """Told while the form is open: a second matter if it says so or is plainly something else."""
    for matter in reading.matters:
        category = (matter.item or "").split("/")[0]
        same = any((m["item"] or "").startswith(f"{category}/") for m in draft["matters"])
        known = any(m["item"] == matter.item for m in draft["matters"])
        clear = reading.confidence >= 0.6 and not same
        if matter.item and not known and (clear or words.names_another(reading.text)):
            drafting.add_matter(draft, replace(matter))
        else:
            drafting.add_detail(draft, matter.text)


async def _item_from_words(draft: Draft, reading: Reading) -> None:
    """Settle an unclear item; what stays unclear goes to a person."""
    options: list[str] = draft.get("items") or []
    found = await catalogue.items_in_words(reading.text)
    near = [key for key in found if key in options] or found
    if near or reading.item:
        await _set_item(draft, near[0] if near else str(reading.item))
    elif draft.get("asked_item"):
        await _set_item(draft, HAND_OVER_ITEM)
    draft["asked_item"] = True
