"""docs/ticket-life.md shows the table of bot/domain/status.py as it is."""

from bot.domain.status import RULES, STATUS_NAMES, STEP_NAMES, Actor, Status, Step
from bot.settings import ROOT

WHO = {
    Actor.RESIDENT: "居民",
    Actor.ASSIGNEE: "承办人",
    Actor.DISPATCHER: "调度员",
    Actor.SUPERIOR: "上一级",
    Actor.CO_HANDLER: "会办部门",
    Actor.CALLER: "独立回访人",
    Actor.SYSTEM: "平台",
}


def table() -> str:
    """The transition table as Markdown."""
    lines = ["| step | 步骤 | from | to | who |", "|---|---|---|---|---|"]
    for rule in RULES:
        sources = "、".join(STATUS_NAMES[s] for s in Status if s in rule.sources)
        target = STATUS_NAMES[rule.target] if rule.target else "不变"
        who = "、".join(WHO[a] for a in Actor if a in rule.actors)
        name = STEP_NAMES[Step(rule.step)]
        lines.append(f"| `{rule.step.value}` | {name} | {sources} | {target} | {who} |")
    return "\n".join(lines)


def test_the_documented_table_is_the_one_in_force():
    text = (ROOT / "docs/ticket-life.md").read_text(encoding="utf-8")
    assert table() in text, "paste the output of tests.unit.test_life_docs.table()"
