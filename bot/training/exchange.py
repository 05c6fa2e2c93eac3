"""The training set as ordinary Rasa YAML: data/nlu and the approved labels, out and back in."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import BadInput
from bot.domain.masking import mask
from bot.services import insert_ignore
from bot.settings import ROOT
from bot.store.models import Utterance
from bot.store.models_training import Label
from bot.training.catalogue import choices
from bot.training.corpus import Sentence, read_corpus
from bot.training.labels import is_held_back

APPROVED = "approved.yml"
_MARKED = re.compile(r"\[([^\[\]]+)\]\((\w+)\)")


@dataclass(frozen=True)
class Example:
    """One labelled sentence; entities are spans of `text`."""

    text: str
    intent: str
    entities: tuple[tuple[int, int, str], ...] = ()

    def marked(self) -> str:
        """As Rasa writes it: 「[3号楼](place)漏水」."""
        text = self.text
        for start, end, name in sorted(self.entities, reverse=True):
            text = f"{text[:start]}[{text[start:end]}]({name}){text[end:]}"
        return text


def parse_marked(text: str, intent: str) -> Example:
    """Read what `marked` wrote."""
    plain, last = "", 0
    entities: list[tuple[int, int, str]] = []
    for found in _MARKED.finditer(text):
        plain += text[last : found.start()]
        entities.append((len(plain), len(plain) + len(found[1]), found[2]))
        plain += found[1]
        last = found.end()
    return Example(plain + text[last:], intent, tuple(entities))


def approved(session: Session, held_back: bool) -> list[Example]:
    """Approved labels that train (`held_back` False) or judge (True), in a fixed order."""
    rows = session.scalars(
        select(Label)
        .where(Label.status == "approved", Label.held_back.is_(held_back))
        .order_by(Label.text, Label.id)
    )
    return [_example(row) for row in rows]


def _example(row: Label) -> Example:
    spans = tuple((e["start"], e["end"], e["entity"]) for e in row.entities or [])
    # Same length, so that spans still fit: a line break would end the example.
    text = re.sub(r"\s", " ", row.text)
    return Example(text, row.intent, () if "[" in text else spans)


def to_yaml(examples: list[Example]) -> str:
    """Rasa YAML, grouped by intent."""
    groups: dict[str, list[str]] = {}
    for example in examples:
        groups.setdefault(example.intent, []).append(f"- {example.marked().strip()}")
    blocks = [
        {"intent": intent, "examples": LiteralScalarString("\n".join(lines) + "\n")}
        for intent, lines in sorted(groups.items())
    ]
    out = io.StringIO()
    yaml = YAML()
    yaml.width = 10_000  # type: ignore[assignment]
    yaml.dump({"version": "3.1", "nlu": blocks}, out)
    return out.getvalue()


def export(factory: sessionmaker, folder: Path) -> dict[str, int]:
    """Write the whole training set to `folder`; numbers of sentences by source."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "data" / "nlu").glob("*.yml")):
        shutil.copyfile(path, folder / path.name)
    with factory() as session:
        examples = approved(session, held_back=False)
    own = {sentence.text for sentence in read_corpus(ROOT / "data" / "nlu")}
    new = [e for e in dict.fromkeys(examples) if e.text not in own]
    (folder / APPROVED).write_text(to_yaml(new), "utf-8")
    return {"data": len(own), "labels": len(new)}


def sentences(folder: Path) -> list[Sentence]:
    """All sentences of an exported folder."""
    return read_corpus(folder)


def import_file(factory: sessionmaker, path: Path, now: dt.datetime) -> int:
    """Take the sentences of a Rasa YAML file as approved labels; how many were new."""
    examples = _read(path)
    own = {sentence.text for sentence in read_corpus(ROOT / "data" / "nlu")}
    with factory.begin() as session:
        known = choices(session)
        strange = sorted({e.intent for e in examples} - set(known))
        if strange:
            raise BadInput(
                f"这些类别不存在：{'、'.join(strange)}。请先写入 community.yml 或 data/nlu。"
            )
        return sum(_take(session, e, now) for e in examples if e.text not in own)


def _read(path: Path) -> list[Example]:
    try:
        content: Any = YAML(typ="safe").load(path.read_text("utf-8")) or {}
        blocks = [b for b in content.get("nlu", []) if "intent" in b]
        return [
            parse_marked(line.strip()[2:].strip(), block["intent"])
            for block in blocks
            for line in block["examples"].splitlines()
            if line.strip().startswith("- ")
        ]
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path.name} 读不了，应是 Rasa 的 NLU 文件：{error}") from error


def _take(session: Session, example: Example, now: dt.datetime) -> bool:
    text = mask(example.text)
    key = f"import:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    values = {
        "message_id": key,
        "text_masked": text,
        "outcome": "imported",
        "ranking": [],
        "outcome_data": {},
        "at": now,
    }
    utterance_id = insert_ignore(session, Utterance, values, ["message_id"])
    if utterance_id is None:
        return False
    whole = text == example.text  # masking moves spans
    session.add(
        Label(
            utterance_id=utterance_id,
            text=text,
            intent=example.intent,
            entities=[{"start": s, "end": e, "entity": n} for s, e, n in example.entities if whole],
            status="approved",
            source="import",
            held_back=is_held_back(text),
            at=now,
        )
    )
    return True
