"""The sentences that judge a model: the frozen regression set and the held-back labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.orm import sessionmaker

from bot.settings import ROOT
from bot.training.corpus import read_corpus
from bot.training.exchange import approved

REGRESSION = ROOT / "data" / "regression"


@dataclass(frozen=True)
class Case:
    """One sentence with what a careful worker would call it; None where only the rest is asked."""

    text: str
    intent: str | None
    danger: bool | None = None
    source: str = "regression"

    @property
    def base(self) -> str:
        """The intent without its item."""
        return str(self.intent).partition("/")[0]


def regression(folder: Path = REGRESSION) -> list[Case]:
    """All cases of the frozen set; the same sentence is asked once."""
    cases = [Case(s.text, s.intent) for s in read_corpus(folder)]
    cases += [
        Case(row["text"], row["intent"]) for row in _load(folder / "robustness.yml", "sentences")
    ]
    for name, danger in (("danger", True), ("not_danger", False)):
        cases += [Case(text, None, danger) for text in _load(folder / "urgency.yml", name)]
    return list(dict.fromkeys(cases))


def _load(path: Path, key: str) -> list[Any]:
    if not path.is_file():
        return []
    return list((yaml.safe_load(path.read_text("utf-8")) or {}).get(key) or [])


def all_cases(factory: sessionmaker) -> list[Case]:
    """The frozen set, then the approved labels that were held back from training."""
    with factory() as session:
        held = approved(session, held_back=True)
    return regression() + [Case(e.text, e.intent, None, "labels") for e in held]
