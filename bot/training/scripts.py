"""Scripted conversations: what a turn must bring back, and what is wrong with an answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from bot.settings import ROOT

SCRIPTS = ROOT / "data" / "regression" / "conversations.yml"
Script = dict[str, Any]  # {"name", "turns": [{"say" | "tap", …}], "tickets": [{field: value}]}
Message = dict[str, Any]  # a bot message as Rasa's REST channel gives it
CHINESE = re.compile("[\u4e00-\u9fff]")


def read(path: Path = SCRIPTS) -> list[Script]:
    """The scripts of a file, in its order; none where there is no file."""
    if not path.is_file():
        return []
    return list((yaml.safe_load(path.read_text("utf-8")) or {}).get("conversations") or [])


def faults(turn: dict[str, Any], replies: list[Message]) -> list[str]:
    """What an answer lacks, or should not have, in words; empty when it is right."""
    said = "\n".join(reply.get("text") or "" for reply in replies)
    titles = [b["title"] for reply in replies for b in reply.get("buttons") or []]
    found = [f"没有说“{p}”" for p in turn.get("hears", []) if not re.search(p, said)]
    found += [f"不该说“{p}”" for p in turn.get("never", []) if re.search(p, said)]
    found += [
        f"没有选项“{title}”"
        for title in turn.get("buttons", [])
        if not any(title in shown for shown in titles)
    ]
    if not CHINESE.search(said):
        found.append("没有中文回答")
    found += _card_faults(turn.get("card") or {}, replies)
    return [f"{fault}，答的是“{said}”" for fault in found]


def _card_faults(expected: dict[str, str], replies: list[Message]) -> list[str]:
    cards = [reply["custom"]["card"] for reply in replies if reply.get("custom")]
    rows = {name: value for card in cards for name, value in card.get("rows", [])}
    return [
        f"卡片的{name}应有“{value}”，实为“{rows.get(name, '')}”"
        for name, value in expected.items()
        if value not in rows.get(name, "")
    ]


def ticket_faults(expected: list[dict[str, Any]], tickets: list[Any]) -> list[str]:
    """How the tickets that were filed differ from those that should be."""
    if len(tickets) != len(expected):
        return [f"应有 {len(expected)} 张工单，实有 {len(tickets)} 张"]
    return [
        f"工单的 {name} 应为“{value}”，实为“{getattr(ticket, name)}”"
        for ticket, wanted in zip(tickets, expected, strict=True)
        for name, value in wanted.items()
        if getattr(ticket, name) != value
    ]
