"""Retraining in the worker: start the processes of jobs, keep the models in step."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable

import aiohttp
from sqlalchemy.orm import sessionmaker

from bot.services.clock import now
from bot.settings import ROOT, Settings
from bot.training import history, jobs, registry, retention, switch, watch

log = logging.getLogger(__name__)

LEARN_SECONDS = 60
TIDY_SECONDS = 3600
KEEP_STEPS_SECONDS = 5
START_SECONDS = 1


Job = tuple[str, float, Callable[[], Awaitable[object]]]


class Starter:
    """Starts job processes and buries the dead; they live on when this worker ends."""

    def __init__(self, factory: sessionmaker, config: Settings) -> None:
        self._factory, self._config = factory, config
        self._children: list[subprocess.Popen[bytes]] = []

    def look(self) -> int:
        """Start what waits; how many were started."""
        self._children = [child for child in self._children if child.poll() is None]
        jobs.expire(self._factory, now())
        started = 0
        while (claimed := jobs.claim(self._factory, now())) is not None:
            self._start(*claimed)
            started += 1
        return started

    def _start(self, job_id: int, token: str) -> None:
        folder = self._config.data_dir / "training"
        folder.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C and the end of this worker do not reach it.
        with (folder / f"job-{job_id}.log").open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "bot.training.process", str(job_id), token],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children.append(child)
        log.info("job %s runs as process %s", job_id, child.pid)


def tidy(factory: sessionmaker, config: Settings) -> None:
    """Forget old messages and delete old models."""
    while retention.forget_old(factory, config.utterance_days, now()):
        pass
    for name in registry.prune(factory, config, config.keep_models, now()):
        log.info("model %s was deleted: older than the policy keeps", name)


async def keep_in_step(
    factory: sessionmaker, http: aiohttp.ClientSession, config: Settings
) -> None:
    """Every Rasa process on the live model; back by itself if residents are understood less."""
    await switch.reconcile(factory, http, config)
    await watch.watch(factory, http, config)


def interval_jobs(
    factory: sessionmaker, http: aiohttp.ClientSession, config: Settings
) -> list[Job]:
    """(name, seconds, job) of this part, for the scheduler."""
    starter = Starter(factory, config)
    return [
        ("training", START_SECONDS, lambda: asyncio.to_thread(starter.look)),
        ("models", KEEP_STEPS_SECONDS, lambda: keep_in_step(factory, http, config)),
        ("learn", LEARN_SECONDS, lambda: asyncio.to_thread(history.learn, factory, now())),
        ("tidy", TIDY_SECONDS, lambda: asyncio.to_thread(tidy, factory, config)),
    ]
