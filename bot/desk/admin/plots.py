"""Plots of the gate's report as SVG; colours come from the style sheet, which the CSP asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape

NAME, WIDE, ROW = 92, 300, 34
SIDE = 220
SHADES = 9


def _svg(width: int, height: int, label: str, parts: list[str]) -> Markup:
    return Markup(
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, words: object, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="plot__text {kind}">{escape(words)}</text>'


def bars(intents: dict[str, Any], name_of: Callable[[str], str]) -> Markup:
    """For each intent the share read rightly by both models; worse ones stand out."""
    parts = []
    for number, (intent, figures) in enumerate(intents.items()):
        y = number * ROW
        worse = figures["gain"] < 0
        parts.append(_text(NAME - 6, y + 19, name_of(intent), "plot__text--end"))
        for offset, who in ((6, "live"), (16, "candidate")):
            kind = "plot__bar--worse" if worse and who == "candidate" else f"plot__bar--{who}"
            width = WIDE * figures[who]
            parts.append(
                f'<rect x="{NAME}" y="{y + offset}" width="{width:.1f}" height="9" '
                f'class="plot__bar {kind}"><title>{figures[who]:.1%}（{figures["n"]} 句）</title>'
                "</rect>"
            )
        parts.append(_text(NAME + WIDE + 6, y + 19, f"{figures['gain']:+.1%}"))
    height = max(len(intents) * ROW, ROW)
    return _svg(NAME + WIDE + 60, height, "各类判对的比例，上为在用模型，下为新模型", parts)


def reliability(calibration: dict[str, Any]) -> Markup:
    """How often the models are right when they are so sure; the diagonal would be honest."""
    parts = [
        f'<line x1="0" y1="{SIDE}" x2="{SIDE}" y2="0" class="plot__line plot__line--even"/>',
        f'<rect x="0" y="0" width="{SIDE}" height="{SIDE}" class="plot__frame"/>',
    ]
    for who in ("live", "candidate"):
        points = [
            (b["confidence"] * SIDE, SIDE - b["right"] * SIDE) for b in calibration[who]["bins"]
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" class="plot__line plot__line--{who}"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="plot__dot plot__dot--{who}"/>'
            for x, y in points
        ]
    parts.append(_text(4, SIDE + 16, "把握 0%"))
    parts.append(_text(SIDE, SIDE + 16, "100%", "plot__text--end"))
    return _svg(SIDE, SIDE + 22, "把握与判对比例", parts)


def confusion(table: dict[str, dict[str, int]], name_of: Callable[[str], str]) -> Markup:
    """Rows are the truth, columns what the new model says; only what occurs is drawn."""
    truths = list(table)
    seen = {got for row in table.values() for got in row}
    columns = [name for name in truths if name in seen] + sorted(seen - set(truths))
    head = "".join(f'<th scope="col"><span>{escape(name_of(name))}</span></th>' for name in columns)
    rows = []
    for truth in truths:
        total = max(sum(table[truth].values()), 1)
        cells = "".join(_cell(table[truth].get(name, 0), total, name == truth) for name in columns)
        rows.append(f'<tr><th scope="row">{escape(name_of(truth))}</th>{cells}</tr>')
    return Markup(
        '<div class="heat__scroll"><table class="heat"><caption class="sr">混淆矩阵</caption>'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(count: int, total: int, right: bool) -> str:
    if not count:
        return "<td></td>"
    shade = max(1, round(SHADES * count / total))
    kind = "heat__right" if right else "heat__wrong"
    return f'<td class="{kind} heat__{shade}">{count}</td>'
