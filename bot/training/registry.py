"""The model registry: which models there are, which one is live, which may go.

The live model is the youngest archive in `models/`: the same rule by which a starting Rasa process
chooses. So there is one truth, a file's place and time, and a crash cannot leave two.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.services import insert_ignore
from bot.settings import Settings
from bot.store.models_training import ModelVersion, Promotion, TrainingJob

KEEP_DAYS = 90


@dataclass(frozen=True)
class Made:
    """How a model was made: the same inputs make the same model."""

    seed: int | None = None
    data_hash: str | None = None
    config_hash: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def candidates_dir(config: Settings) -> Path:
    """Where candidates wait; never `models/`, whose youngest file is served."""
    return config.data_dir / "candidates"


def live_file(config: Settings) -> Path | None:
    """The archive that Rasa serves."""
    archives = config.models_dir.glob("*.tar.gz")
    return max(archives, key=lambda path: path.stat().st_mtime_ns, default=None)


def sha256(path: Path) -> str:
    """Checksum of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def rasa_id(path: Path) -> dict[str, str]:
    """{"model_id": …}, Rasa's own id of an archive, as `Utterance.model` has it; {} without one."""
    try:
        with tarfile.open(path) as archive:
            metadata = archive.extractfile("metadata.json")
            return {"model_id": json.load(metadata)["model_id"]} if metadata else {}
    except (tarfile.TarError, KeyError, ValueError, OSError):
        return {}


def add(
    session: Session, path: Path, made: Made, report: dict[str, Any] | None, now: dt.datetime
) -> ModelVersion:
    """Enter a model; flushed, so that it has an id."""
    model = ModelVersion(
        name=path.name,
        path=str(path),
        sha256=sha256(path),
        seed=made.seed,
        data_hash=made.data_hash,
        config_hash=made.config_hash,
        versions={**made.versions, **rasa_id(path)},
        counts=made.counts,
        report=report,
        verdict=report["verdict"] if report else None,
        created_at=now,
    )
    session.add(model)
    session.flush()
    return model


def adopt(factory: sessionmaker, config: Settings, now: dt.datetime) -> int | None:
    """Id of the live model; one trained by hand is entered, and its coming to be live noted."""
    path = live_file(config)
    if path is None:
        return None
    with factory() as session:
        known = session.scalar(select(ModelVersion.id).where(ModelVersion.name == path.name))
    if known:
        return int(known)
    values = {
        "name": path.name,
        "path": str(path),
        "sha256": sha256(path),
        "versions": rasa_id(path),
        "counts": {},
        "file_there": True,
        "created_at": now,
        "last_live_at": now,
    }
    with factory.begin() as session:
        previous = session.scalar(
            select(Promotion.model_id)
            .where(Promotion.status == "done")
            .order_by(Promotion.id.desc())
            .limit(1)
        )
        model_id = insert_ignore(session, ModelVersion, values, ["name"])
        if model_id is None:
            return id_of(session, path.name)
        session.add(
            Promotion(
                model_id=model_id,
                previous_id=previous,
                kind="found",
                status="done",
                at=now,
                done_at=now,
            )
        )
        return model_id


def id_of(session: Session, name: str) -> int | None:
    """Id of a model by its file's name."""
    found: int | None = session.scalar(select(ModelVersion.id).where(ModelVersion.name == name))
    return found


def put_live(config: Settings, path: Path) -> Path:
    """Make an archive the youngest in `models/`, in one step that a crash cannot halve."""
    config.models_dir.mkdir(parents=True, exist_ok=True)
    target = config.models_dir / path.name
    if not target.exists():
        part = config.models_dir / f".{path.name}.part"
        shutil.copyfile(path, part)
        os.replace(part, target)
    current = live_file(config)
    if current is not None and current != target:
        # Later than the other even where the clock went back.
        at = max(current.stat().st_mtime_ns + 1_000_000, target.stat().st_mtime_ns)
        os.utime(target, ns=(at, at))
    return target


def prune(factory: sessionmaker, config: Settings, keep: int, now: dt.datetime) -> list[str]:
    """Delete the files of models that are neither among the newest, live lately, nor in use."""
    live = live_file(config)
    with factory.begin() as session:
        models = session.scalars(
            select(ModelVersion)
            .where(ModelVersion.file_there)
            .order_by(ModelVersion.id.desc())
            .offset(keep)
        ).all()
        busy = set(
            session.scalars(
                select(TrainingJob.model_id).where(TrainingJob.status.in_(("queued", "running")))
            )
        )
        since = now - dt.timedelta(days=KEEP_DAYS)
        going = [
            m
            for m in models
            if m.id not in busy
            and (live is None or m.name != live.name)
            and (m.last_live_at is None or m.last_live_at < since)
        ]
        for model in going:
            for folder in (candidates_dir(config), config.models_dir):
                (folder / model.name).unlink(missing_ok=True)
            model.file_there = False
    return [model.name for model in going]
