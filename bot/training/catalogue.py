"""Every name a message can be given: the items of the service catalogue, and talk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.catalogue import CATEGORY_NAMES
from bot.settings import ROOT
from bot.store.models import ServiceItem
from bot.training.corpus import read_corpus

TALK = "talk"
TALK_NAMES = {
    "greet": "打招呼",
    "goodbye": "告别",
    "thanks": "道谢",
    "affirm": "答应、确认",
    "deny": "否认、不要",
    "correct": "更正内容",
    "inform_place": "只说地点",
    "inform_detail": "补充情况",
    "ticket_status": "查进度",
    "ticket_urge": "催办",
    "ticket_add": "给工单补充",
    "ticket_withdraw": "撤回工单",
    "ticket_rate": "评价",
    "ticket_reopen": "没解决、重开",
    "start_matter": "想反映、还没说事",
    "human": "找人工",
    "menu": "问能做什么",
    "ask_policy": "问政策",
    "ask_place": "问地点、问找谁",
    "ask_meeting": "问会议",
    "volunteer": "志愿报名",
    "errand": "帮办代办",
    "vent": "诉苦",
    "praise": "表扬",
    "bot_challenge": "问是不是机器人",
    "set_home": "登记住址",
    "privacy": "问隐私",
    "skip": "跳过",
    "chitchat": "闲聊",
    "out_of_scope": "与社区无关",
}


@dataclass(frozen=True)
class Choice:
    """One name for a message: `intent` is what the model learns, the rest is for people."""

    intent: str
    name: str
    group: str
    group_name: str

    @property
    def full_name(self) -> str:
        """「住房 · 漏水维修」."""
        return f"{self.group_name} · {self.name}"


@lru_cache(maxsize=1)
def corpus_intents() -> frozenset[str]:
    """Intents of data/nlu, items included."""
    return frozenset(sentence.intent for sentence in read_corpus(ROOT / "data" / "nlu"))


def choices(session: Session) -> dict[str, Choice]:
    """All choices by intent, matters first."""
    items = session.scalars(select(ServiceItem).where(ServiceItem.active).order_by(ServiceItem.key))
    found = {
        item.key: Choice(item.key, item.name, item.category, group_name(item.category))
        for item in items
    }
    known = set(corpus_intents())
    for intent in sorted(known - set(found)):
        group, _, item = intent.partition("/")
        if item:  # in the corpus, but this community does not offer it
            found[intent] = Choice(intent, item, group, group_name(group))
        else:
            found[intent] = Choice(intent, TALK_NAMES.get(intent, intent), TALK, "不是诉求")
    order = [*CATEGORY_NAMES, TALK]
    place = {name: number for number, name in enumerate(order)}
    ranked = sorted(found.values(), key=lambda choice: place.get(choice.group, len(order)))
    return {choice.intent: choice for choice in ranked}


def group_name(group: str) -> str:
    """「住房」."""
    return CATEGORY_NAMES.get(group, group)


def intent_name(intent: str | None) -> str:
    """Words for an intent with or without an item, where the item's own name is not at hand."""
    if not intent:
        return "都不是"
    if intent == "nlu_fallback":
        return "没听懂"
    base = intent.partition("/")[0]
    return CATEGORY_NAMES.get(base) or TALK_NAMES.get(base, base)
