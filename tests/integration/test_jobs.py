"""Training jobs: one at a time, leases, cancelling; and processes killed in the middle."""

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import func, select

from bot.domain.errors import NotAllowed, NotFound, WrongState
from bot.services import clock
from bot.settings import ROOT
from bot.store.models_training import ModelVersion, TrainingJob
from bot.training import jobs
from tests.integration.test_labels import staff_with
from tests.stack import SECRET, TOKEN, Stack

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.timezone.utc)
LATER = NOW + dt.timedelta(minutes=1)


def job_of(database, job_id):
    with database.factory() as session:
        return session.get(TrainingJob, job_id)


@pytest.fixture
def staff(database):
    return staff_with(database, "dispatcher")


def test_one_training_at_a_time_and_only_for_those_who_may(database, staff):
    jobs.ask_training(database.factory, staff, 1, NOW)
    with pytest.raises(WrongState):
        jobs.ask_training(database.factory, staff, 2, NOW)
    with pytest.raises(NotAllowed):
        jobs.ask_training(database.factory, staff_with(database, "grid_member"), 1, NOW)
    assert jobs.claim(database.factory, NOW) is not None
    assert jobs.claim(database.factory, NOW) is None


def test_a_dead_process_gives_its_job_back_and_cannot_touch_it_any_more(database, staff):
    job_id = jobs.ask_training(database.factory, staff, 1, NOW)
    _, token = jobs.claim(database.factory, NOW)
    assert jobs.renew(database.factory, job_id, token, NOW)
    assert jobs.expire(database.factory, NOW) == 0
    assert jobs.expire(database.factory, LATER) == 1
    assert job_of(database, job_id).status == "queued"
    _, second = jobs.claim(database.factory, LATER)
    assert not jobs.renew(database.factory, job_id, token, LATER)
    with database.factory.begin() as session:
        assert not jobs.end(session, job_id, token, "done", LATER)
        assert jobs.end(session, job_id, second, "done", LATER)


def test_the_log_keeps_stages_and_warnings_in_order(database, staff):
    job_id = jobs.ask_training(database.factory, staff, 1, NOW)
    _, token = jobs.claim(database.factory, NOW)
    jobs.report(database.factory, job_id, token, "检查语料", 6)
    jobs.note(database.factory, job_id, token, "提醒：greet 只有 1 句")
    jobs.note(database.factory, job_id, "another", "不该出现")
    jobs.report(database.factory, job_id, token, "检查语料", 8)
    assert job_of(database, job_id).log.splitlines() == ["检查语料", "提醒：greet 只有 1 句"]


def test_a_job_whose_process_dies_again_and_again_is_given_up(database, staff):
    job_id, at = jobs.ask_training(database.factory, staff, 1, NOW), NOW
    for _ in range(jobs.ATTEMPTS):
        assert jobs.claim(database.factory, at)
        at += dt.timedelta(minutes=1)
        jobs.expire(database.factory, at)
    job = job_of(database, job_id)
    assert job.status == "failed" and job.error
    jobs.ask_training(database.factory, staff, 1, at)  # the way is free


def test_cancelling_ends_a_waiting_job_at_once_and_a_running_one_at_its_next_breath(
    database, staff
):
    waiting = jobs.ask_training(database.factory, staff, 1, NOW)
    jobs.cancel(database.factory, staff, waiting, NOW)
    assert job_of(database, waiting).status == "cancelled"
    running = jobs.ask_training(database.factory, staff, 1, NOW)
    _, token = jobs.claim(database.factory, NOW)
    jobs.cancel(database.factory, staff, running, NOW)
    assert not jobs.renew(database.factory, running, token, NOW)
    jobs.expire(database.factory, LATER)
    assert job_of(database, running).status == "cancelled"
    with pytest.raises(NotFound):
        jobs.cancel(database.factory, staff, running, NOW)


def env_of(database, folder):
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("LINLI_")},
        "LINLI_ENV_FILE": os.devnull,
        "LINLI_SECRET_KEY": SECRET,
        "LINLI_RASA_TOKEN": TOKEN,
        "LINLI_DATABASE_URL": database.url,
        "LINLI_DATA_DIR": str(folder),
        "LINLI_MODELS_DIR": str(folder / "models"),
    }


def until(condition, seconds=60.0):
    """Wait for what another process writes; it can announce it no other way."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


@contextlib.contextmanager
def process(database, folder):
    """The process of the next job, as the worker starts it."""
    job_id, token = jobs.claim(database.factory, clock.now())
    started = subprocess.Popen(
        [sys.executable, "-m", "bot.training.process", str(job_id), token],
        cwd=ROOT,
        env=env_of(database, folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        started.wait()


def stage_of(database, job_id):
    return job_of(database, job_id).stage


@pytest.mark.stack
def test_killed_training_leaves_no_model_and_the_job_to_be_taken_up(sqlite_database, tmp_path):
    database = sqlite_database
    staff = staff_with(database, "dispatcher")
    job_id = jobs.ask_training(database.factory, staff, 1, clock.now())
    with process(database, tmp_path) as running:
        until(lambda: stage_of(database, job_id) == "学习中")
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert job_of(database, job_id).status == "running"
    jobs.expire(database.factory, clock.now() + jobs.LEASE)
    assert job_of(database, job_id).status == "queued"
    with database.factory() as session:
        assert session.scalar(select(func.count(ModelVersion.id))) == 0
    assert not list(tmp_path.glob("candidates/*")) and not list(tmp_path.glob("models/*"))


@pytest.mark.stack
def test_cancelled_training_ends_its_process_and_clears_up(sqlite_database, tmp_path):
    database = sqlite_database
    staff = staff_with(database, "dispatcher")
    job_id = jobs.ask_training(database.factory, staff, 1, clock.now())
    with process(database, tmp_path) as running:
        until(lambda: stage_of(database, job_id) == "学习中")
        jobs.cancel(database.factory, staff, job_id, clock.now())
        assert running.wait(30) == 3
    assert job_of(database, job_id).status == "cancelled"
    assert not list(tmp_path.glob("training/job-*"))


@pytest.mark.stack
def test_training_outlives_its_worker(sqlite_database, tmp_path):
    database = sqlite_database
    staff = staff_with(database, "dispatcher")
    models = str(tmp_path / "models")
    stack = Stack(tmp_path / "var", database.url, LINLI_MODELS_DIR=models).start("worker")
    job_id = jobs.ask_training(database.factory, staff, 1, clock.now())
    until(lambda: stage_of(database, job_id) == "学习中")
    stack.kill("worker")
    at = clock.now()
    until(lambda: job_of(database, job_id).lease_until > at + jobs.LEASE)  # it still breathes
    assert jobs.claim(database.factory, clock.now()) is None
    jobs.cancel(database.factory, staff, job_id, clock.now())
    until(lambda: job_of(database, job_id).status == "cancelled")


@pytest.mark.stack
def test_contradictory_labels_fail_the_job_in_words(sqlite_database, tmp_path):
    from bot.training import labels
    from bot.training.corpus import read_corpus
    from tests.integration.test_labels import hear

    database = sqlite_database
    staff = staff_with(database, "dispatcher")
    for number, intent in enumerate(("greet", "housing/lift")):
        text = "充电桩又坏了，没人来修"
        message = hear(database, number, text)
        labels.vote(database.factory, staff, [message], intent, clock.now())
    assert text not in {s.text for s in read_corpus(ROOT / "data" / "nlu")}
    assert not labels.is_held_back(text)
    job_id = jobs.ask_training(database.factory, staff, 1, clock.now())
    with process(database, tmp_path) as running:
        assert running.wait(60) == 1
    job = job_of(database, job_id)
    assert job.status == "failed" and text in job.error and "删去或改掉" in job.error


# Ends a job whose archive is ready, and is killed when it comes to the step named.
ENDING = """
import os, signal, sys
from pathlib import Path
from bot.training import jobs, registry, train

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

step, job_id, token, archive = sys.argv[1:]
owner = {"replace": os, "add": registry, "end": jobs}.get(step)
if owner:
    setattr(owner, step, die)
report = {"verdict": "green"}
train.finish(int(job_id), token, Path(archive), registry.Made(seed=1), report)
"""


def end_job(database, folder, step):
    """The exit code of a process that ends the next job."""
    job_id, token = jobs.claim(database.factory, clock.now())
    archive = folder / "new.tar.gz"
    archive.write_bytes(b"archive")
    command = [sys.executable, "-c", ENDING, step, str(job_id), token, str(archive)]
    return subprocess.run(command, cwd=ROOT, env=env_of(database, folder)).returncode


@pytest.mark.parametrize("step", ["replace", "add", "end"])
def test_killed_at_any_step_of_its_end_a_job_enters_its_model_once_or_not_at_all(
    sqlite_database, tmp_path, step
):
    database = sqlite_database
    (tmp_path / "models").mkdir()
    live = tmp_path / "models" / "live.tar.gz"
    live.write_bytes(b"live")
    job_id = jobs.ask_training(database.factory, staff_with(database, "dispatcher"), 1, clock.now())
    assert end_job(database, tmp_path, step) == -signal.SIGKILL
    with database.factory() as session:
        assert session.scalar(select(func.count(ModelVersion.id))) == 0
    assert list(live.parent.iterdir()) == [live]  # what was left behind is never served
    jobs.expire(database.factory, clock.now() + jobs.LEASE)
    assert end_job(database, tmp_path, "none") == 0
    job = job_of(database, job_id)
    with database.factory() as session:
        [model] = session.scalars(select(ModelVersion)).all()
    assert (job.status, job.model_id, model.name) == ("done", model.id, "new.tar.gz")
    assert list(live.parent.iterdir()) == [live]
