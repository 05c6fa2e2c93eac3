"""A candidate reads along: the same messages, both models, nothing said to residents."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import sessionmaker

from bot.services import insert_ignore
from bot.services.clock import now
from bot.settings import settings
from bot.store.db import session_factory
from bot.store.models import Utterance
from bot.store.models_training import ModelVersion, ShadowSample, TrainingJob
from bot.training import jobs, registry
from bot.training.compare import reading
from bot.training.nlu_model import NluModel
from bot.training.progress import Progress

POLL_SECONDS = 1.0
BATCH = 32


def read_along(job_id: int, token: str, progress: Progress) -> None:
    """Read new messages with both models until the time is up."""
    factory, live = session_factory(), registry.live_file(settings())
    with factory() as session:
        job = session.get(TrainingJob, job_id)
        start, until = job.created_at, job.until
        path = session.get(ModelVersion, job.model_id).path
    progress.say("装载模型", 1)
    if live is None:
        raise RuntimeError("没有在用的模型")
    models = (NluModel(live), NluModel(path))
    progress.say("旁听中", 2)
    while (at := now()) < until:
        if not sample(factory, job_id, start, models):
            time.sleep(POLL_SECONDS)
        done = (at - start).total_seconds() / max((until - start).total_seconds(), 1)
        progress.say("旁听中", max(2, int(99 * done)))
    with factory.begin() as session:
        jobs.end(session, job_id, token, "done", now())


def sample(factory: sessionmaker, job_id: int, start: Any, models: tuple[Any, Any]) -> int:
    """Read the messages since `start` that were not read yet; how many there were."""
    seen = exists(
        select(ShadowSample.id).where(
            ShadowSample.job_id == job_id, ShadowSample.utterance_id == Utterance.id
        )
    )
    with factory() as session:
        rows = session.execute(
            select(Utterance.id, Utterance.text_masked)
            .where(Utterance.at >= start, ~seen)
            .order_by(Utterance.id)
            .limit(BATCH)
        ).all()
    if not rows:
        return 0
    texts = [text for _, text in rows]
    # Both read the masked text: only so is the difference the models' own.
    live, candidate = (model.parse(texts) for model in models)
    with factory.begin() as session:
        for (utterance_id, _), old, new in zip(rows, live, candidate, strict=True):
            before, after = reading(old), reading(new)
            values = {
                "job_id": job_id,
                "utterance_id": utterance_id,
                "live_intent": before.full,
                "live_confidence": before.confidence,
                "candidate_intent": after.full,
                "candidate_confidence": after.confidence,
                "at": now(),
            }
            insert_ignore(session, ShadowSample, values, ["job_id", "utterance_id"])
    return len(rows)


@dataclass(frozen=True)
class Disagreement:
    """A message that the two models read differently."""

    text: str
    live: str
    candidate: str


def result(factory: sessionmaker, model_id: int) -> tuple[int, int, list[Disagreement]]:
    """(messages read, read differently, examples) of all shadowing by a candidate."""
    mine = ShadowSample.job_id.in_(select(TrainingJob.id).where(TrainingJob.model_id == model_id))
    differs = ShadowSample.live_intent != ShadowSample.candidate_intent
    with factory() as session:
        total = session.scalar(select(func.count(ShadowSample.id)).where(mine)) or 0
        apart = session.scalar(select(func.count(ShadowSample.id)).where(mine, differs)) or 0
        rows = session.execute(
            select(Utterance.text_masked, ShadowSample.live_intent, ShadowSample.candidate_intent)
            .join(Utterance, ShadowSample.utterance_id == Utterance.id)
            .where(mine, differs)
            .order_by(ShadowSample.id.desc())
            .limit(30)
        )
        return total, apart, [Disagreement(*row) for row in rows]
