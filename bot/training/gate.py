"""May a candidate replace the live model? A report for people, and a verdict: green or red."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from bot.domain.catalogue import CATEGORY_NAMES
from bot.training import compare
from bot.training.cases import Case
from bot.training.catalogue import intent_name
from bot.training.compare import Read

LOSS = 0.02  # share of an intent's sentences
SIGNIFICANT = 0.05
# There are over a hundred items: by chance alone one in twenty would look worse.
SIGNIFICANT_ITEM = 0.01
LISTED = 200


class Parser(Protocol):
    """Whatever understands texts."""

    def parse(self, texts: list[str]) -> list[dict[str, Any]]:
        """One parse a text."""


def judge(
    cases: list[Case],
    live: Parser | None,
    candidate: Parser,
    conversations: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The report. Without a live model there is nothing to lose, and the verdict is green.

    `conversations` is what `rehearsal.compare` found.
    """
    texts = [case.text for case in cases]
    new = [compare.reading(parse) for parse in candidate.parse(texts)]
    old = [compare.reading(parse) for parse in live.parse(texts)] if live else new
    named = [i for i, case in enumerate(cases) if case.intent]
    report: dict[str, Any] = {
        "cases": Counter(case.source for case in cases),
        "compared": live is not None,
        "intents": _groups(cases, old, new, named, base=True),
        "items": _groups(cases, old, new, named, base=False),
        "overall": _overall(cases, old, new, named),
        "danger": _danger(cases, old, new),
        "calibration": {
            "live": _calibration(cases, old, named),
            "candidate": _calibration(cases, new, named),
        },
        "confusion": _confusion(cases, new, named),
        "conversations": conversations,
        **_changed(cases, old, new, named),
    }
    report["reasons"] = reasons(report)
    report["verdict"] = "red" if report["reasons"] else "green"
    return report


def _right(case: Case, read: Read) -> bool:
    return read.intent == case.base


def _right_item(case: Case, read: Read) -> bool:
    return read.full == case.intent


def _groups(
    cases: list[Case], old: list[Read], new: list[Read], named: list[int], base: bool
) -> dict[str, Any]:
    """Figures by intent, or by item."""
    right: Callable[[Case, Read], bool] = _right if base else _right_item
    members: dict[str, list[int]] = defaultdict(list)
    for i in named:
        if base or "/" in str(cases[i].intent):
            members[cases[i].base if base else str(cases[i].intent)].append(i)
    return {
        name: compare.group(
            np.array([right(cases[i], old[i]) for i in rows], bool),
            np.array([right(cases[i], new[i]) for i in rows], bool),
        )
        for name, rows in sorted(members.items())
    }


def _overall(
    cases: list[Case], old: list[Read], new: list[Read], named: list[int]
) -> dict[str, Any]:
    figures = compare.group(
        np.array([_right(cases[i], old[i]) for i in named], bool),
        np.array([_right(cases[i], new[i]) for i in named], bool),
    )
    truth = [cases[i].base for i in named]
    figures["live_macro_f1"] = compare.macro_f1(truth, [old[i].intent for i in named])
    figures["candidate_macro_f1"] = compare.macro_f1(truth, [new[i].intent for i in named])
    return figures


def _danger(cases: list[Case], old: list[Read], new: list[Read]) -> dict[str, Any]:
    """Danger seen, and alarms for nothing."""
    real = [i for i, case in enumerate(cases) if case.danger]
    calm = [i for i, case in enumerate(cases) if case.danger is False]

    def seen(rows: list[int], reads: list[Read]) -> np.ndarray:
        return np.array([reads[i].danger for i in rows], bool)

    return {
        "recall": compare.group(seen(real, old), seen(real, new)),
        "false_alarms": compare.group(seen(calm, old), seen(calm, new)),
        "missed": [cases[i].text for i in real if old[i].danger and not new[i].danger][:LISTED],
    }


def _calibration(cases: list[Case], reads: list[Read], named: list[int]) -> dict[str, Any]:
    sure = [i for i in named if reads[i].intent != "nlu_fallback"]
    return compare.reliability(
        np.array([reads[i].confidence for i in sure]),
        np.array([_right(cases[i], reads[i]) for i in sure], bool),
    )


def _confusion(cases: list[Case], reads: list[Read], named: list[int]) -> dict[str, dict[str, int]]:
    pairs = Counter((cases[i].base, reads[i].intent) for i in named)
    table: dict[str, dict[str, int]] = defaultdict(dict)
    for (truth, got), count in sorted(pairs.items()):
        table[truth][got] = count
    return dict(table)


def _changed(
    cases: list[Case], old: list[Read], new: list[Read], named: list[int]
) -> dict[str, list[dict[str, str]]]:
    """Sentences that only one of the models reads rightly, item included where there is one."""
    lists: dict[str, list[dict[str, str]]] = {"won": [], "lost": []}
    for i in named:
        before, after = _right_item(cases[i], old[i]), _right_item(cases[i], new[i])
        if before != after:
            row = {
                "text": cases[i].text,
                "intent": str(cases[i].intent),
                "live": old[i].full,
                "candidate": new[i].full,
            }
            lists["won" if after else "lost"].append(row)
    return {name: rows[:LISTED] for name, rows in lists.items()}


def reasons(report: dict[str, Any]) -> list[str]:
    """Why the verdict is red, in words; empty when it is green."""
    found = []
    recall = report["danger"]["recall"]
    if recall["candidate"] < recall["live"]:
        found.append(
            f"险情识别变差：{_percent(recall['live'])} → {_percent(recall['candidate'])}，"
            f"漏掉 {recall['lost']} 句"
        )
    for name, figures in report["intents"].items():
        if _lost(figures, SIGNIFICANT):
            found.append(_sentence(intent_name(name), name, figures))
    for name, figures in report["items"].items():
        if _lost(figures, SIGNIFICANT_ITEM):
            group = CATEGORY_NAMES.get(name.partition("/")[0], "")
            found.append(_sentence(f"{group}事项", name, figures))
    return found + _broken(report["conversations"])


def _broken(conversations: dict[str, Any] | None) -> list[str]:
    if conversations is None:
        return []
    if not conversations["finished"]:
        return ["对话测试没有跑完：用这个模型对话时出了错，请看后台日志"]
    return [f"对话测试“{n}”没有通过：{conversations['failed'][n]}" for n in conversations["lost"]]


def _lost(figures: dict[str, Any], level: float) -> bool:
    return figures["gain"] < -LOSS and figures["p_loss"] < level


def _sentence(words: str, name: str, figures: dict[str, Any]) -> str:
    return (
        f"{words}（{name}）变差：{_percent(figures['live'])} → {_percent(figures['candidate'])}，"
        f"丢 {figures['lost']} 句，得 {figures['won']} 句"
    )


def _percent(share: float) -> str:
    return f"{share:.1%}"


def summary(report: dict[str, Any]) -> str:
    """The report in one plain sentence."""
    figures, recall = report["overall"], report["danger"]["recall"]
    if not report["compared"]:
        return f"没有在用的模型可比；新模型判对 {_percent(figures['candidate'])}。"
    trend = "更好" if figures["gain"] > 0 else "更差" if figures["gain"] < 0 else "一样"
    sure = "，差别明显" if not figures["interval"][0] <= 0 <= figures["interval"][1] else ""
    before, after = _percent(figures["live"]), _percent(figures["candidate"])
    return (
        f"新模型{trend}{sure}：判对 {before} → {after}，"
        f"多对 {figures['won']} 句，多错 {figures['lost']} 句；"
        f"险情识别 {_percent(recall['live'])} → {_percent(recall['candidate'])}。"
    )
