"""Offices, hours, telephone numbers, meetings, policies: answered from community.yml."""

from __future__ import annotations

import re

from rasa_sdk.events import SlotSet

from actions import catalogue, drafting, home, intake
from actions.base import Events, LinliAction, Turn, button
from bot.domain.taps import payload
from bot.store.keepers import keepers

# Asked after the people, not the office: 「我们楼长是谁」, 「网格员电话多少」.
KEEPERS = re.compile(
    r"网格(?:员|长)|楼(?:栋|组)?长|书记(?!.*(?:办公室|接访|接待))|谁来?(?:管|负责)|哪个网格"
)
PLACES = {"hours", "place", "phone"}
SHOWN = 4


class ActionAskOffice(LinliAction):
    """Where an office is, when it opens, how to call it; who looks after a building."""

    action = "action_ask_office"
    intents = ("ask_place",)

    async def answer(self, turn: Turn) -> Events:
        """The best entry, a department, or all telephone numbers."""
        text = turn.reading.text
        department = await self._department(text)
        profile = await turn.profile()
        if not department and KEEPERS.search(text):
            last = drafting.last_place(turn) or {}
            return await self._keepers(turn, profile.building_id or last.get("building_id"))
        entry = await catalogue.faq_for(text, PLACES, near=_estate(profile.place))
        if department:
            turn.tell(department)
        elif entry:
            turn.tell(entry.answer)
        else:
            phones = await catalogue.faq_for("值班电话", {"phone"})
            hours = await catalogue.faq_for("办公时间", {"hours"})
            found = [e.answer for e in (hours, phones) if e]
            turn.tell("\n".join(found) or "请打政务热线 12345 咨询。")
        return []

    @staticmethod
    async def _keepers(turn: Turn, building_id: int | None) -> Events:
        """Those of the home or the last matter; else the question where, but not in the form."""
        if building_id is None and not turn.in_form:
            return await home.ask_estate(turn, "utter_ask_home")
        found = await turn.call(keepers, building_id) if building_id else []
        phones = [f"{k.who}，电话 {k.phone}" if k.phone else k.who for k in found]
        turn.say("utter_keepers" if phones else "utter_no_keepers", lines="\n".join(phones))
        return []

    @staticmethod
    async def _department(text: str) -> str | None:
        for d in (await catalogue.the_community()).departments:
            if any(len(a) > 2 and a in text for a in (d.name, *d.aliases)):
                return f"{d.name}：{d.address}，电话 {d.phone}，{d.hours}。办理：{d.duties}。"
        return None


def _estate(place: str) -> str:
    """「幸福里」 of 「幸福里3号楼2单元501室」."""
    return "".join(c for c in place.split("单元")[0] if not c.isascii())[:3] if place else ""


class ActionAskMeeting(LinliAction):
    """Residents' meetings."""

    action = "action_ask_meeting"
    intents = ("ask_meeting",)

    async def answer(self, turn: Turn) -> Events:
        """The best entry, or the first on meetings."""
        entry = await catalogue.faq_for(turn.reading.text, {"meeting"})
        entry = entry or await catalogue.faq_for("四会", {"meeting"})
        turn.tell(entry.answer if entry else "会议安排请问社区居委会。")
        return []


class ActionAskPolicy(LinliAction):
    """A question on policies in general; one that names an item gets its answer."""

    action = "action_ask_policy"
    intents = ("ask_policy",)

    async def answer(self, turn: Turn) -> Events:
        """Answer, or ask which field."""
        known = await catalogue.items()
        found = [k for k in await catalogue.items_in_words(turn.reading.text) if known[k].answer]
        if not found or turn.in_form:
            answer = known[found[0]].answer if found else None
            turn.tell(answer) if answer else turn.say("utter_ask_policy")
            return []
        buttons = [button("提交给工作人员", payload("file_matter", item=found[0]))]
        turn.tell(known[found[0]].answer, buttons=buttons)
        turn.ask("answered", buttons, yes=0)
        return [SlotSet("asked", intake.asked(turn, turn.reading.text))]
