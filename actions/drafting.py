"""The draft of a ticket, kept in one slot while the form asks for what is missing.

A draft is a plain dict (it travels as JSON):
`id` (key of the first message), `matters` [{item, text, sure}], `place` {building_id, name, unit,
room} or {skipped: True} or None, `parts` (address words not yet settled), `places` [[id, name]]
(buildings they may mean), `unknown` (a building nobody knows), `items` (choices for an unclear
item), `phone`, `photos`, `told` (key of the message told before, when the first is a tap); for
somebody else's matter `on_behalf` (who) and `consent` (how that person agreed).
"""

from __future__ import annotations

import copy
from typing import Any

from actions import catalogue, words
from actions.base import Turn, button
from actions.reading import Matter, Reading
from bot.domain.places import Known, place_text
from bot.domain.taps import payload
from bot.services import residents
from bot.services.intake import MAX_DESCRIPTION
from bot.store import queries

Draft = dict[str, Any]
FORM = "intake_form"
MAX_MATTERS = 3
MAX_CHOICES = 6
UNSURE_ITEM = 0.3


def new(turn: Turn, matters: tuple[Matter, ...], photos: list[str] | None = None) -> Draft:
    """A draft with these matters."""
    return {
        "id": turn.key,
        "matters": [_matter(m) for m in matters[:MAX_MATTERS]],
        "place": None,
        "photos": list(photos or ()),
    }


def _matter(matter: Matter) -> dict[str, Any]:
    return {
        "item": matter.item,
        "text": matter.text.strip()[:MAX_DESCRIPTION],
        "sure": matter.confidence,
    }


def of(turn: Turn) -> Draft | None:
    """The draft in the slot, as a copy that may be changed."""
    draft = turn.slot("draft")
    return copy.deepcopy(draft) if isinstance(draft, dict) else None


def add_matter(draft: Draft, matter: Matter) -> None:
    """One matter more on the same card."""
    if len(draft["matters"]) < MAX_MATTERS:
        draft["matters"].append(_matter(matter))
    else:
        add_detail(draft, matter.text)


def add_detail(draft: Draft, text: str) -> None:
    """More words to the matter last told."""
    last = draft["matters"][-1]
    text = text.strip()
    if text and text not in last["text"]:
        last["text"] = f"{last['text']}；{text}"[:MAX_DESCRIPTION]


def unclear(draft: Draft) -> dict[str, Any] | None:
    """The first matter without an item."""
    return next((m for m in draft["matters"] if not m["item"]), None)


def missing(draft: Draft) -> str:
    """The slot that the form asks for next."""
    if unclear(draft):
        return "item"
    if not draft.get("place"):
        return "place"
    return "consent" if draft.get("on_behalf") and not draft.get("consent") else "confirmation"


async def fill_from_message(turn: Turn, draft: Draft, reading: Reading) -> None:
    """Take over the place and the phone that a message names; else the resident's home."""
    if phone := reading.get("phone"):
        draft["phone"] = str(phone)
    if reading.place:
        await settle_place(turn, draft, reading.place)
    # Somebody else's matter is not at the resident's own home.
    if not draft.get("place") and not draft.get("parts") and not draft.get("on_behalf"):
        profile = await turn.profile()
        if profile.building_id:
            draft["place"] = await home_place(turn)
        elif last := last_place(turn):
            draft["last"] = last


async def home_place(turn: Turn) -> dict[str, Any]:
    """The resident's home as a place of a draft."""
    profile = await turn.profile()
    base = place_text("", profile.unit, profile.room)
    name = profile.place[: -len(base)] if base else profile.place
    return {
        "building_id": profile.building_id,
        "name": name,
        "unit": profile.unit,
        "room": profile.room,
    }


async def settle_place(turn: Turn, draft: Draft, parts: dict[str, str]) -> None:
    """Find the building that words mean; keep the choices when several, the words when none."""
    place, profile = draft.get("place") or {}, await turn.profile()
    parts = {**(draft.get("parts") or {}), **parts}
    for name in ("parts", "places", "unknown"):
        draft.pop(name, None)
    if "building" not in parts and "estate" not in parts:
        if not place.get("building_id") and profile.building_id and not draft.get("on_behalf"):
            place = await home_place(turn)
        if place.get("building_id"):
            draft["place"] = {**place, **_inside(parts)}
        else:
            draft["parts"] = parts
        return
    found = await turn.call(
        residents.find_building,
        building=parts.get("building"),
        estate=parts.get("estate"),
        # 「不对，是4号楼」 on a card means the estate that is on the card.
        home=place.get("building_id") or profile.building_id,
    )
    if found.only:
        draft["place"] = {
            "building_id": found.only.id,
            "name": name_of(found.only),
            "unit": parts.get("unit"),
            "room": parts.get("room"),
        }
        return
    draft["place"], draft["parts"] = None, parts
    if found.matches:
        draft["places"] = [[k.id, name_of(k)] for k in found.matches]
    else:
        draft["unknown"] = said_place(parts)
        draft["parts"] = {k: v for k, v in parts.items() if k in {"unit", "room"}} or None


def _inside(parts: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in parts.items() if k in {"unit", "room"}}


def name_of(known: Known) -> str:
    """「幸福里3号楼」."""
    return known.name if known.name.startswith(known.estate) else f"{known.estate}{known.name}"


def said_place(parts: dict[str, str]) -> str:
    """A place as it was said: 「幸福里99号楼」."""
    building = parts.get("building")
    return parts.get("estate", "") + (f"{building}号楼" if building else "")


async def pick_building(turn: Turn, draft: Draft, building_id: int) -> bool:
    """Choose a building by its id (a tapped button); False when there is none."""
    estates = await turn.call(queries.estates)
    for estate, buildings in estates:
        for known_id, name in buildings:
            if known_id == building_id:
                full = name if name.startswith(estate) else f"{estate}{name}"
                parts = _inside(draft.get("parts") or {})
                draft["place"] = {"building_id": building_id, "name": full, **parts}
                for key in ("parts", "places", "unknown"):
                    draft.pop(key, None)
                return True
    return False


def last_place(turn: Turn) -> dict[str, Any] | None:
    """Where the resident's own matters were last, as a place of a draft."""
    return (turn.slot("opened") or {}).get("place")


def place_button(title: str, place: dict[str, Any]) -> dict[str, str]:
    """One tap for a place that is known whole: as the draft's place, or outside a form as home."""
    known = {k: place[k] for k in ("building_id", "unit", "room") if place.get(k)}
    return button(title, payload("set_home", **known))


def place_words(draft: Draft) -> str:
    """The place for the card."""
    place = draft.get("place") or {}
    if not place.get("building_id"):
        return "未填写"
    return place_text(place["name"], place.get("unit"), place.get("room"))


async def rows(draft: Draft) -> list[list[str]]:
    """Rows of the confirmation card."""
    known = await catalogue.items()
    several = len(draft["matters"]) > 1
    found: list[list[str]] = []
    for number, matter in enumerate(draft["matters"], 1):
        item = known.get(matter["item"] or "")
        mark = str(number) if several else ""
        found.append([f"事项{mark}", _item_name(item)])
        found.append([f"情况{mark}", words.shorten(matter["text"])])
    if draft.get("on_behalf"):
        found.append(["替谁办", f"{draft['on_behalf']}（{draft.get('consent') or '待同意'}）"])
    found.insert(1, ["地点", place_words(draft)])
    if draft.get("phone"):
        found.append(["电话", draft["phone"]])
    if draft.get("photos"):
        found.append(["照片", f"{len(draft['photos'])} 张"])
    return found


async def named(draft: Draft) -> str:
    """「“停水”这件事」, to show a misreading before the card does; empty while no item is known."""
    known = await catalogue.items()
    items = [known[m["item"]].name for m in draft.get("matters") or () if m["item"] in known]
    if not items:
        return ""
    quoted = "、".join(f"“{item}”" for item in dict.fromkeys(items))
    return quoted + {1: "这件事", 2: "这两件事"}.get(len(items), "这几件事")


def _item_name(item: queries.Item | None) -> str:
    if item is None:
        return "其他事项"
    return f"{catalogue.CATEGORY_NAMES.get(item.category, item.category)} · {item.name}"


def place_buttons(draft: Draft) -> list[dict[str, str]]:
    """Buildings to choose from, or the estates of those when there are too many."""
    return [
        button(name, payload("set_home", building_id=building_id))
        for building_id, name in (draft.get("places") or [])[:MAX_CHOICES]
    ]


def is_complete(draft: Draft) -> bool:
    """Whether nothing is missing but the resident's word."""
    return missing(draft) == "confirmation"
