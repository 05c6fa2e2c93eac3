"""`python -m bot evaluate FILE`: how often the bot reads texts as their labels say.

A row is {"text", "label", "accept"?}. Labels of the bot: the six categories as they are;
other_service, family_crisis and emergency are `other`; all else, fallback included, is `oos`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Protocol

from bot.settings import ROOT
from bot.training.nlu_model import ModelMissing, NluModel
from bot.training.scores import Outcome, outcome, score

SHOWN = 60
NEIGHBOURS = 3


class Parser(Protocol):
    """Whatever understands texts."""

    def parse(self, texts: list[str]) -> list[dict[str, Any]]:
        """One parse a text."""


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Rows of a JSON-lines file; a wrong line is named."""
    rows = []
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            row["text"], row["label"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"第 {number} 行应是含 text 和 label 的 JSON 对象：{error}") from error
        rows.append(row)
    return rows


def read_all(rows: list[dict[str, Any]], model: Parser) -> list[Outcome]:
    """Each row with the model's reading."""
    parses = model.parse([row["text"] for row in rows])
    return [outcome(row, parse) for row, parse in zip(rows, parses, strict=True)]


def evaluate(rows: list[dict[str, Any]], model: Parser) -> dict[str, Any]:
    """Scores of a model on labelled rows."""
    return score(read_all(rows, model))


def main(path: str, as_json: bool = False, errors: bool = False, model: str | None = None) -> int:
    """The command: print scores, or mistakes with their nearest training sentences."""
    try:
        rows = read_rows(path)
        parser = NluModel.newest(model or ROOT / "models")
    except (OSError, ValueError, ModelMissing) as problem:
        print(problem, file=sys.stderr)
        return 1
    outcomes = read_all(rows, parser)
    scores = score(outcomes)
    if as_json:
        print(json.dumps(scores, ensure_ascii=False))
    else:
        print_scores(scores)
    if errors:
        print_errors(outcomes, parser)
    return 0


def print_scores(scores: dict[str, Any]) -> None:
    """A short table for people."""
    print(f"共 {scores['n']} 条。标签由语言模型标注，未经人工核对。")
    for key in ("primary", "accept", "macro_f1", "false_ticket_rate", "ece"):
        print(f"  {key:18} {'—' if scores[key] is None else format(scores[key], '.3f')}")
    for label, row in scores["per_label"].items():
        others = {got: n for got, n in scores["confusion"][label].items() if got != label}
        taken = "、".join(f"{got} {n}" for got, n in sorted(others.items(), key=lambda p: -p[1]))
        print(
            f"  {label:14} P {row['precision']:.2f}  R {row['recall']:.2f}  n {row['n']:<4}"
            + (f" 读成 {taken}" if taken else "")
        )


def print_errors(outcomes: list[Outcome], model: NluModel) -> None:
    """Mistakes, the surest first, each with what it was taken for and the sentences it is like."""
    wrong = [o for o in outcomes if not o.acceptable]
    wrong.sort(key=lambda o: -o.confidence)
    parses = model.parse([o.text for o in wrong[:SHOWN]])
    nearest = _nearest([o.text for o in wrong[:SHOWN]])
    for item, parse, likes in zip(wrong, parses, nearest, strict=False):
        ranking = " ".join(
            f"{r['name']} {r['confidence']:.2f}" for r in parse["intent_ranking"][:3]
        )
        print(f"\n[{'|'.join(sorted(item.accepted))}] {item.text}\n  读作：{ranking}")
        for likeness, label, sentence in likes:
            print(f"  近似 {likeness:.2f} {label}：{sentence}")
    if len(wrong) > SHOWN:
        print(f"\n另有 {len(wrong) - SHOWN} 条未列出。", file=sys.stderr)


def _nearest(texts: list[str]) -> list[list[tuple[float, str, str]]]:
    """The training sentences nearest in sense to each text."""
    from bot.nlu.vectors import encode
    from bot.training.corpus import read_corpus

    corpus = read_corpus()
    if not texts or not corpus:
        return [[] for _ in texts]
    likeness = encode(texts) @ encode([sentence.text for sentence in corpus]).T
    best = likeness.argsort(axis=1)[:, ::-1][:, :NEIGHBOURS]
    return [
        [(float(row[i]), corpus[i].intent, corpus[i].text) for i in places]
        for row, places in zip(likeness, best, strict=True)
    ]
