"""The process of one job: `python -m bot.training.process JOB TOKEN`.

It stands alone: started by a worker, it outlives it. It ends itself when its job is cancelled or
its lease was taken by another.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from bot.services.clock import now
from bot.settings import ROOT, settings
from bot.store.db import session_factory
from bot.store.models_training import TrainingJob
from bot.training import jobs
from bot.training.progress import Progress

log = logging.getLogger(__name__)

RENEW_SECONDS = 1.0
NICENESS = 10


class Lease:
    """Renews the job's lease from a thread, and ends this process when it may not go on."""

    def __init__(self, job_id: int, token: str) -> None:
        self.job_id, self.token = job_id, token
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        good_until = now() + jobs.LEASE
        while not self._over.wait(RENEW_SECONDS):
            try:
                alive = jobs.renew(session_factory(), self.job_id, self.token, now())
            except Exception:
                log.exception("the lease of job %s could not be renewed; trying on", self.job_id)
                if now() > good_until:  # by now another process may have taken the job up
                    os._exit(4)
                continue
            good_until = now() + jobs.LEASE
            if not alive and not self._over.is_set():
                self._leave()

    def _leave(self) -> None:
        """Rasa cannot be asked to stop in the middle: the process goes, its folder with it."""
        factory = session_factory()
        with factory.begin() as session:
            jobs.end(session, self.job_id, self.token, "cancelled", now())
        shutil.rmtree(work_dir(self.job_id), ignore_errors=True)
        os._exit(3)


def work_dir(job_id: int) -> Path:
    """Where a job keeps what it makes until it is done."""
    return settings().data_dir / "training" / f"job-{job_id}"


def run(job_id: int, token: str) -> int:
    """Do the job; the exit code."""
    factory = session_factory()
    with factory() as session:
        job = session.get(TrainingJob, job_id)
        kind = job.kind if job else None
    if kind is None:
        return 1
    with Lease(job_id, token):
        try:
            _work(kind)(job_id, token, Progress(factory, job_id, token))
        except Exception as error:
            traceback.print_exc()
            words = getattr(error, "text", None) or f"{type(error).__name__}: {error}"
            with factory.begin() as session:
                jobs.end(session, job_id, token, "failed", now(), error=str(words)[:2000])
            return 1
        finally:
            shutil.rmtree(work_dir(job_id), ignore_errors=True)
    return 0


def _work(kind: str) -> Callable[[int, str, Progress], None]:
    # Imported late: they bring in Rasa, and the lease must be renewed meanwhile.
    if kind == jobs.TRAIN:
        from bot.training.train import train_candidate

        return train_candidate
    from bot.training.shadow import read_along

    return read_along


def main() -> int:
    """Command line."""
    os.chdir(ROOT)
    os.nice(NICENESS)
    os.environ.update(
        RASA_TELEMETRY_ENABLED="false",
        TF_CPP_MIN_LOG_LEVEL="3",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        # A cache of our own: someone may train by hand at the same time.
        RASA_CACHE_DIRECTORY=str(settings().data_dir / "training" / "cache"),
    )
    logging.basicConfig(level="INFO", format="%(levelname)s %(name)s: %(message)s")
    return run(int(sys.argv[1]), sys.argv[2])


if __name__ == "__main__":
    sys.exit(main())
