"""The worker process: interval jobs only, all of them safe to run twice and in many workers."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytz
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.orm import sessionmaker

from bot.services import answers, health, inbox, ladder
from bot.services.clock import now
from bot.settings import Settings, settings
from bot.store.db import session_factory
from bot.worker import training
from bot.worker.relay import Sender, desk_sender, relay, webchat_sender
from bot.worker.wechat import wechat_sender
from bot.worker.wecom import robot_sender, wecom_sender

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5
RELAY_SECONDS = 0.5
RECOVERY_SECONDS = 2
SWEEP_SECONDS = 10


async def recover(factory: sessionmaker, http: aiohttp.ClientSession, config: Settings) -> None:
    """Ask Rasa to go on with messages that nobody is handling (their process died)."""
    for channel, sender in await asyncio.to_thread(inbox.stalled, factory, now()):
        try:
            async with http.post(
                f"{config.rasa_url}/webhooks/{_drained_by(channel)}/drain",
                json={"channel": channel, "sender": sender},
                headers={"Authorization": f"Bearer {config.rasa_token}"},
            ) as response:
                response.raise_for_status()
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            log.warning("Rasa cannot be asked to go on with %s messages: %s", channel, error)
            return


def _drained_by(channel: str) -> str:
    """Whose messages need more than the dialogue (pictures to fetch, cards) has a drain itself."""
    return channel if channel in {"wechat", "wecom"} else "webchat"


def make_senders(
    factory: sessionmaker, http: aiohttp.ClientSession, config: Settings
) -> dict[str, Sender]:
    """A sender for each channel that is configured; the others fall back to the desk."""
    senders: dict[str, Sender] = {
        "webchat": webchat_sender(factory),
        "desk": desk_sender,
        "wecom": desk_sender,
        "robot": desk_sender,
    }
    if config.wechat_enabled:
        senders["wechat"] = wechat_sender(factory, http, config)
    if config.wecom_enabled:
        senders["wecom"] = wecom_sender(factory, http, config)
        senders["robot"] = robot_sender(factory, http, config)
    return senders


def logged(name: str, job: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """A job whose failure is written down and does not stop the next run."""

    async def run() -> None:
        try:
            await job()
        except Exception:
            log.exception("job %s failed", name)

    return run


def schedule(
    scheduler: AsyncIOScheduler,
    factory: sessionmaker,
    http: aiohttp.ClientSession,
    config: Settings,
) -> None:
    """Register the interval jobs."""
    senders = make_senders(factory, http, config)
    jobs: list[tuple[str, float, Callable[[], Awaitable[object]]]] = [
        (
            "beat",
            HEARTBEAT_SECONDS,
            lambda: asyncio.to_thread(health.beat, factory, "worker", now()),
        ),
        ("relay", RELAY_SECONDS, lambda: relay(factory, senders)),
        ("recover", RECOVERY_SECONDS, lambda: recover(factory, http, config)),
        ("sweep", SWEEP_SECONDS, lambda: asyncio.to_thread(ladder.sweep, factory, now())),
    ]
    if config.wechat_enabled:
        jobs.append(
            (
                "late",
                RECOVERY_SECONDS,
                lambda: asyncio.to_thread(answers.sweep, factory, "wechat", now()),
            )
        )
    jobs += training.interval_jobs(factory, http, config)
    for name, seconds, job in jobs:
        scheduler.add_job(
            logged(name, job), "interval", seconds=seconds, id=name, max_instances=1, coalesce=True
        )


async def serve(config: Settings, factory: sessionmaker) -> None:
    """Run the jobs until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        )
        scheduler = AsyncIOScheduler(timezone=pytz.utc)
        schedule(scheduler, factory, http, config)
        await asyncio.to_thread(health.beat, factory, "worker", now())
        scheduler.start()
        stack.callback(scheduler.shutdown, wait=False)
        log.info("worker is running")
        await stop.wait()


def run() -> None:
    """Entry of the worker process."""
    # It warns of each turn that a longer run skips; to skip it is what we asked for.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    asyncio.run(serve(settings(), session_factory()))
