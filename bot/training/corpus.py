"""The training sentences as plain rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Sentence:
    """One training sentence; `intent` may carry a service item (housing/lift)."""

    text: str
    intent: str
    file: str

    @property
    def base(self) -> str:
        """The intent without its item."""
        return self.intent.partition("/")[0]


def read_corpus(folder: str | Path = "data/nlu") -> list[Sentence]:
    """All sentences of the NLU files of a folder."""
    sentences = []
    for path in sorted(Path(folder).glob("**/*.yml")):
        content = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader) or {}
        for block in content.get("nlu", []):
            for line in (block.get("examples") or "").splitlines() if "intent" in block else []:
                if line.strip().startswith("- "):
                    text = line.strip()[2:].strip()
                    sentences.append(Sentence(text, block["intent"], path.name))
    return sentences
