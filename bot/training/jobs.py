"""Training jobs as rows: asked for, claimed under a lease, kept alive, ended.

A job's process renews its lease. Whoever finds a lease run out puts the job back in the queue; so a
killed worker or a killed training leaves nothing behind but a row that someone takes up again.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import NotAllowed, NotFound, WrongState
from bot.services.members import Staff
from bot.store.models_training import ModelVersion, TrainingJob
from bot.training.labels import may_label

TRAIN, SHADOW = "train", "shadow"
LEASE = dt.timedelta(seconds=20)
ATTEMPTS = 3
LOG_LINES = 200
OPEN = ("queued", "running")


def ask_training(factory: sessionmaker, staff: Staff, seed: int, now: dt.datetime) -> int:
    """Queue a training; there is one at a time."""
    _allowed(staff)
    with factory.begin() as session:
        if _open(session, TRAIN):
            raise WrongState("已经有一次训练在进行，请等它结束，或先取消。")
        return _add(session, staff, now, kind=TRAIN, seed=seed)


def ask_shadow(
    factory: sessionmaker, staff: Staff, model_id: int, minutes: int, now: dt.datetime
) -> int:
    """Let a candidate read along for a while; there is one at a time."""
    _allowed(staff)
    with factory.begin() as session:
        if _open(session, SHADOW):
            raise WrongState("已经有一个模型在旁听，请先停下。")
        model = session.get(ModelVersion, model_id)
        if model is None or not model.file_there:
            raise NotFound()
        until = now + dt.timedelta(minutes=max(1, min(minutes, 7 * 24 * 60)))
        return _add(session, staff, now, kind=SHADOW, model_id=model_id, until=until)


def _allowed(staff: Staff) -> None:
    if not may_label(staff):
        raise NotAllowed()


def _open(session: Session, kind: str) -> TrainingJob | None:
    return session.scalars(
        select(TrainingJob).where(TrainingJob.kind == kind, TrainingJob.status.in_(OPEN))
    ).first()


def _add(session: Session, staff: Staff, now: dt.datetime, **values: object) -> int:
    job = TrainingJob(
        status="queued", stage="排队", member_id=staff.id, created_at=now, log="", **values
    )
    session.add(job)
    session.flush()
    return int(job.id)


def cancel(factory: sessionmaker, staff: Staff, job_id: int, now: dt.datetime) -> None:
    """Stop a job; its process sees it within seconds."""
    _allowed(staff)
    with factory.begin() as session:
        job = session.get(TrainingJob, job_id, with_for_update=True)
        if job is None or job.status not in OPEN:
            raise NotFound("这次任务已经结束。")
        job.cancel_requested = True
        if job.status == "queued":
            job.status, job.stage, job.ended_at = "cancelled", "已取消", now


def end_shadows(session: Session, now: dt.datetime) -> None:
    """Stop every shadowing, inside the caller's transaction."""
    for job in session.scalars(
        select(TrainingJob).where(TrainingJob.kind == SHADOW, TrainingJob.status.in_(OPEN))
    ):
        job.cancel_requested = True
        if job.status == "queued":
            job.status, job.stage, job.ended_at = "cancelled", "已取消", now


def claim(factory: sessionmaker, now: dt.datetime) -> tuple[int, str] | None:
    """(job, the word that proves the claim) of the oldest waiting job, if none of its kind runs."""
    with factory.begin() as session:
        busy = set(session.scalars(select(TrainingJob.kind).where(TrainingJob.status == "running")))
        job = session.scalars(
            select(TrainingJob)
            .where(TrainingJob.status == "queued", TrainingJob.kind.not_in(busy))
            .order_by(TrainingJob.id)
            .with_for_update(skip_locked=True)
        ).first()
        if job is None:
            return None
        token = secrets.token_hex(16)
        job.status, job.lease_owner, job.lease_until = "running", token, now + LEASE
        job.attempts, job.started_at = job.attempts + 1, job.started_at or now
        return int(job.id), token


def renew(factory: sessionmaker, job_id: int, token: str, now: dt.datetime) -> bool:
    """Stay alive; False when the job was cancelled or is someone else's by now."""
    with factory.begin() as session:
        done = session.execute(
            _mine(job_id, token)
            .where(TrainingJob.cancel_requested.is_(False))
            .values(lease_until=now + LEASE)
        )
        return bool(done.rowcount)


def _mine(job_id: int, token: str) -> Any:
    """An UPDATE of a running job that still holds this lease."""
    return (
        update(TrainingJob)
        .where(
            TrainingJob.id == job_id,
            TrainingJob.lease_owner == token,
            TrainingJob.status == "running",
        )
        .execution_options(synchronize_session=False)
    )


def report(factory: sessionmaker, job_id: int, token: str, stage: str, progress: int) -> None:
    """Where a job stands, in words and per cent; each change adds a line to its log."""
    with factory.begin() as session:
        job = session.get(TrainingJob, job_id, with_for_update=True)
        if job is None or job.lease_owner != token:
            return
        if stage != job.stage:
            _add_line(job, stage)
        job.stage, job.progress = stage[:30], max(0, min(progress, 100))


def note(factory: sessionmaker, job_id: int, token: str, words: str) -> None:
    """A line of a job's log."""
    with factory.begin() as session:
        job = session.get(TrainingJob, job_id, with_for_update=True)
        if job is not None and job.lease_owner == token:
            _add_line(job, words)


def _add_line(job: TrainingJob, words: str) -> None:
    job.log = "\n".join([*job.log.splitlines(), " ".join(words.split())][-LOG_LINES:])


def end(
    session: Session,
    job_id: int,
    token: str,
    status: str,
    now: dt.datetime,
    error: str | None = None,
    model_id: int | None = None,
) -> bool:
    """End a job inside the caller's transaction; False when it is not ours any more."""
    words = {"done": "完成", "failed": "没有成功", "cancelled": "已取消"}[status]
    values: dict[str, Any] = {"status": status, "stage": words, "error": error, "ended_at": now}
    if status == "done":
        values["progress"] = 100
    if model_id:
        values["model_id"] = model_id
    return bool(session.execute(_mine(job_id, token).values(**values)).rowcount)


def expire(factory: sessionmaker, now: dt.datetime) -> int:
    """Take up jobs whose process died: again from the start, or given up; how many."""
    with factory.begin() as session:
        dead = session.scalars(
            select(TrainingJob)
            .where(TrainingJob.status == "running", TrainingJob.lease_until < now)
            .with_for_update(skip_locked=True)
        ).all()
        for job in dead:
            job.lease_owner = job.lease_until = None
            if job.cancel_requested:
                job.status, job.stage, job.ended_at = "cancelled", "已取消", now
            elif job.attempts >= ATTEMPTS:
                job.status, job.stage, job.ended_at = "failed", "没有成功", now
                job.error = "进程多次中断。请看后台日志，或联系技术人员。"
            else:
                job.status, job.stage, job.progress = "queued", "中断了，重新开始", 0
        return len(dead)
