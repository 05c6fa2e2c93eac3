"""志愿服务与双报到 in the chat: sign up in a few taps, take a wish, ask for the hours."""

from __future__ import annotations

import re
from typing import Any

from actions import catalogue
from actions.base import LISTENERS, OVERHEARD, Events, Turn, button
from actions.emergency import is_danger
from bot.domain import volunteering
from bot.domain.errors import AlreadyTaken
from bot.domain.levels import Level
from bot.domain.taps import payload
from bot.domain.volunteering import HOURS, KINDS
from bot.services import double_reporting, errands, residents
from bot.services.double_reporting import SignUp
from bot.services.errands import Standing
from bot.services.wording import local

SHOWN = 3
MAX_NAME, SHORT_NAME = 30, 8
CHOICES = ("volunteer_kind", "community", "skill", "hours")
_INTRODUCES = re.compile(r"^(?:我?(?:的)?(?:名字|姓名)?(?:叫|是)|姓名|单位名称|单位)[:：是]?")
_CAN = re.compile(r"(?:我|俺)?(?:还|也)?(?:会|能|可以|懂|擅长|愿意|想)")
_NUMBER = re.compile(r"\+?\d[\d\s-]{6,}\d")
_BETWEEN = re.compile(r"的?(?:电话|手机|联系方式)号?码?是?|[\s，。,.；;：:、/]+")
WISHES = button("看看微心愿", payload("volunteer", errand_id=0))


async def answer(turn: Turn) -> Events | None:
    """Handle what this module knows: a tap, a bare wish to sign up, hours, wishes; else None."""
    reading, text = turn.reading, turn.typed.text
    if reading.get("errand_id") is not None:
        number = int(reading.get("errand_id"))
        return await _take(turn, number) if number else await show_wishes(turn)
    if reading.get("volunteer_kind"):
        return await _ask_next(turn, _chosen(turn))
    # 「我来」 to nothing in particular offers oneself; there is no matter in it to file.
    willing = volunteering.wants_to_sign_up(text) or volunteering.says_yes(text)
    if reading.tapped or willing:
        return await _begin(turn, volunteering.kind_in(text))
    if volunteering.asks_hours(text):
        return await tell_hours(turn)
    if volunteering.asks_wishes(text):
        return await show_wishes(turn)
    return None


# --- signing up: what was chosen before is carried by the buttons ---------------------------


async def _begin(turn: Turn, kind: str) -> Events:
    if turn.in_form:
        turn.say("utter_finish_first")
        return []
    me = await _standing(turn)
    if me is None:
        return await _ask_next(turn, {"volunteer_kind": kind})
    buttons = [WISHES, button("改一改", payload("volunteer", volunteer_kind=kind))]
    known = {"community": me.community, "name": me.name, "skills": await _names(me.skills)}
    total = volunteering.span(me.minutes)
    turn.say("utter_volunteer_known", buttons=buttons, total=total, **known)
    turn.ask("volunteer", buttons)
    return []


def _chosen(turn: Turn) -> dict[str, str]:
    """What the buttons tapped so far say."""
    found = {name: str(turn.reading.get(name)) for name in CHOICES if turn.reading.get(name)}
    if found.get("volunteer_kind") not in KINDS:
        found["volunteer_kind"] = "resident"
    return found


async def _ask_next(turn: Turn, chosen: dict[str, str]) -> Events:
    """Ask for the first thing that is missing."""
    if turn.in_form:
        turn.say("utter_finish_first")
    elif not await _community(turn, chosen):
        await _ask_community(turn, chosen)
    elif not chosen.get("skill"):
        skills = (await catalogue.the_community()).volunteer_skills()
        _offer(turn, "utter_ask_skill", "skill", skills, chosen)
    elif chosen.get("hours") not in HOURS:
        free = {key: name for key, (name, _) in HOURS.items()}
        skills_said = await _names(chosen["skill"].split(","))
        _offer(turn, "utter_ask_free_time", "hours", free, chosen, skills=skills_said)
    else:
        _ask_name(turn, chosen)
    return []


def _offer(
    turn: Turn,
    response: str,
    name: str,
    options: dict[str, str],
    chosen: dict[str, str],
    **values: str,
) -> None:
    """A question with one button an option; the answer goes beside what was chosen before."""
    buttons = [
        button(words, payload("volunteer", **{**chosen, name: key}))
        for key, words in options.items()
    ]
    turn.say(response, buttons=buttons, **values)
    turn.ask(f"volunteer_{name}", buttons, chosen=chosen)


async def _community(turn: Turn, chosen: dict[str, str]) -> tuple[str, str] | None:
    """(key, name) of the community chosen, or of the resident's home."""
    nodes = (await catalogue.the_community()).nodes
    for node in nodes:
        if node.key == chosen.get("community"):
            return node.key, node.name
    profile = await turn.profile()
    if not profile.building_id:
        return None
    return await turn.call(errands.community_of, profile.building_id)


async def _ask_community(turn: Turn, chosen: dict[str, str]) -> None:
    nodes = (await catalogue.the_community()).nodes
    communities = {n.key: n.name for n in nodes if n.level is Level.COMMUNITY}
    _offer(turn, "utter_ask_volunteer_community", "community", communities, chosen)


def _ask_name(turn: Turn, chosen: dict[str, str]) -> None:
    unit = chosen["volunteer_kind"] == "unit"
    turn.say(
        "utter_ask_volunteer_name",
        name="单位名称" if unit else "姓名",
        example="第三小学党支部 13800001234" if unit else "张三 13800001234",
    )
    turn.ask("volunteer_name", [], chosen=chosen)


async def hear_skills(turn: Turn, pending: dict[str, Any]) -> Events | None:
    """「维修和助老」: several at once. 「会修电器」 is no matter to file: asked once more."""
    if await is_danger(turn.reading):
        return None
    text, chosen = turn.typed.text, pending["chosen"]
    known = (await catalogue.the_community()).volunteer_skills()
    skills = volunteering.skills_in(text, known)
    if not skills and not _CAN.match(text):
        return None
    return await _ask_next(turn, {**chosen, "skill": ",".join(skills)} if skills else chosen)


async def hear_name(turn: Turn, pending: dict[str, Any]) -> Events | None:
    """「张三 138…」 signs up; a number known before need not be said again."""
    profile, reading = await turn.profile(), turn.reading
    phone = str(reading.get("phone") or profile.phone or "")
    said = _INTRODUCES.sub("", _NUMBER.sub(" ", turn.typed.text).strip())
    name = _BETWEEN.sub(" ", said).strip()
    if not name or len(name) > MAX_NAME or (reading.is_matter and len(name) > SHORT_NAME):
        return None
    if not phone:
        _ask_name(turn, pending["chosen"])
        return []
    return await _sign_up(turn, pending["chosen"], name, phone)


async def _sign_up(turn: Turn, chosen: dict[str, str], name: str, phone: str) -> Events:
    profile, community = await turn.profile(), await _community(turn, chosen)
    key, place = community or ("", "")
    label, rows = HOURS[chosen["hours"]]
    kind, skills = chosen["volunteer_kind"], chosen["skill"].split(",")
    if not profile.consented:  # the question says that the answer is consent
        await turn.call(residents.consent, profile.id, turn.now)
    offer = SignUp(kind, name, phone, key, skills, rows)
    await turn.call(double_reporting.sign_up, offer, turn.now, resident_id=profile.id)
    turn.outcome = "signed_up"
    known = {"name": name, "kind": KINDS[kind], "community": place, "hours": label}
    turn.say("utter_signed_up", skills=await _names(skills), buttons=[WISHES], **known)
    turn.ask("volunteer", [WISHES])
    return []


async def _names(skills: Any) -> str:
    known = (await catalogue.the_community()).skills
    return "、".join(known.get(key, key) for key in skills)


# --- wishes and hours ----------------------------------------------------------------------


async def _standing(turn: Turn) -> Standing | None:
    profile = await turn.profile()
    return await turn.call(errands.standing, profile.id)


def _not_signed_up(turn: Turn) -> Events:
    buttons = [
        button("我是党员，来报到", payload("volunteer", volunteer_kind="member")),
        button("我想当志愿者", payload("volunteer", volunteer_kind="resident")),
    ]
    turn.say("utter_not_volunteer", buttons=buttons)
    turn.ask("volunteer", buttons)
    return []


async def show_wishes(turn: Turn) -> Events:
    """Open wishes that fit, each with 「我来」."""
    me = await _standing(turn)
    if me is None:
        return _not_signed_up(turn)
    found = await turn.call(double_reporting.offers, me.volunteer_id, turn.now)
    if not found:
        turn.say("utter_no_wishes")
    shown = found[:SHOWN]
    for number, one in enumerate(shown, 1):
        rows = [["心愿", one.title], ["时间", local(one.wanted_at)]]
        card = {"type": "wish", "title": "微心愿", "rows": rows}
        mark = f"（{number}/{len(shown)}）" if len(shown) > 1 else ""
        turn.tell(f"适合您的微心愿{mark}：", card=card, buttons=[_yes(one.id)])
    if len(shown) == 1:
        turn.ask("wish", [_yes(shown[0].id)], yes=0)
    return []


def _yes(errand_id: int) -> dict[str, str]:
    return button("我来", payload("volunteer", errand_id=errand_id))


async def _take(turn: Turn, errand_id: int) -> Events:
    """「我来」: the first has it; who comes later is thanked and sees what else there is."""
    me = await _standing(turn)
    if me is None:
        return _not_signed_up(turn)
    try:
        await turn.call(double_reporting.take, errand_id, me.volunteer_id, turn.now)
    except AlreadyTaken as error:
        turn.tell(error.text)
        return await show_wishes(turn)
    turn.outcome = "errand"
    mine = await _standing(turn)
    for one in mine.taken if mine else ():
        if one.id == errand_id:
            phone = f"，电话 {one.phone}" if one.phone else ""
            when = local(one.wanted_at)
            turn.say("utter_taken", title=one.title, when=when, who=one.who, tel=phone)
    return []


async def _say_yes(turn: Turn) -> Events | None:
    """「我来」 in words: the only wish there is, or those to choose from."""
    me = await _standing(turn)
    found = await turn.call(double_reporting.offers, me.volunteer_id, turn.now) if me else []
    if len(found) == 1:
        return await _take(turn, found[0].id)
    return await show_wishes(turn) if found else None


async def tell_hours(turn: Turn) -> Events:
    """「我的志愿时长」."""
    me = await _standing(turn)
    if me is None:
        return _not_signed_up(turn)
    waiting = "、".join(f"「{one.title}」" for one in me.taken if one.status == "taken")
    rest = f"{waiting}办完后，由社区确认记入。" if waiting else ""
    known = {"name": me.name, "community": me.community, "done": me.done}
    total = volunteering.span(me.minutes)
    turn.say("utter_hours", total=total, rest=rest, buttons=[WISHES], **known)
    turn.ask("volunteer", [WISHES])
    return []


async def overhear(turn: Turn) -> Events | None:
    """By rule, for the model may take 「我的志愿时长」 for a question about a ticket."""
    text = turn.reading.text
    if volunteering.says_yes(text):
        return await _say_yes(turn)
    asks = volunteering.wants_to_sign_up(text) or volunteering.asks_hours(text)
    return await answer(turn) if asks or volunteering.asks_own_wishes(text) else None


LISTENERS["volunteer_skill"] = hear_skills
LISTENERS["volunteer_name"] = hear_name
OVERHEARD.append(overhear)
