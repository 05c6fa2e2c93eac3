"""Switch the live model, forwards and back, on every Rasa process.

A switch makes an archive the youngest in `models/` and then asks each process to load it. A process
that could not be asked, or starts later, is brought along by `reconcile`, which runs all the time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import BadInput, NotAllowed, NotFound, WrongState
from bot.services.clock import now as clock_now
from bot.services.members import Staff
from bot.settings import Settings
from bot.store.models_training import ModelVersion, Promotion
from bot.training import jobs, registry
from bot.training.labels import may_arbitrate, may_label

log = logging.getLogger(__name__)

LOAD_SECONDS = 30


@dataclass(frozen=True)
class Switched:
    """What became of a switch: seconds, and what each process answered ("" where it loaded)."""

    promotion_id: int
    done: bool
    seconds: float
    answers: dict[str, str]


async def promote(
    factory: sessionmaker,
    http: aiohttp.ClientSession,
    config: Settings,
    staff: Staff,
    model_id: int,
    reason: str = "",
) -> Switched:
    """Make a candidate live. One that the gate refused needs an arbiter and a reason."""
    if not may_label(staff):
        raise NotAllowed()

    def begin() -> tuple[int, Path]:
        registry.adopt(factory, config, clock_now())
        with factory.begin() as session:
            model = _usable(session, model_id)
            if model.verdict != "green":
                _overrule(staff, reason)
            return _enter(session, config, model, "promote", staff.id, reason)

    return await _switch(factory, http, config, *await asyncio.to_thread(begin))


def _overrule(staff: Staff, reason: str) -> None:
    if not may_arbitrate(staff):
        raise NotAllowed("体检没有通过，只有社区书记或街道才能放行。")
    if len(reason.strip()) < 4:
        raise BadInput("体检没有通过，放行请写明理由。")


async def roll_back(
    factory: sessionmaker,
    http: aiohttp.ClientSession,
    config: Settings,
    staff: Staff | None,
    reason: str = "",
) -> Switched:
    """Back to the model before; `staff` None: by the machine's own watch."""
    if staff is not None and not may_label(staff):
        raise NotAllowed()

    def begin() -> tuple[int, Path]:
        registry.adopt(factory, config, clock_now())
        with factory.begin() as session:
            model = _usable(session, previous_id(session))
            kind = "rollback" if staff else "automatic"
            return _enter(session, config, model, kind, staff.id if staff else None, reason)

    return await _switch(factory, http, config, *await asyncio.to_thread(begin))


def previous_id(session: Session) -> int | None:
    """The model that was live before the last switch."""
    last = last_switch(session)
    return last.previous_id if last else None


def last_switch(session: Session) -> Promotion | None:
    """The newest switch that did not fail."""
    found: Promotion | None = session.scalars(
        select(Promotion).where(Promotion.status != "failed").order_by(Promotion.id.desc()).limit(1)
    ).first()
    return found


def _usable(session: Session, model_id: int | None) -> ModelVersion:
    model = session.get(ModelVersion, model_id) if model_id else None
    if model is None:
        raise NotFound("没有可以换上的模型。")
    if not model.file_there or not Path(model.path).is_file():
        raise WrongState("这个模型的文件已经清理掉了。")
    if registry.sha256(Path(model.path)) != model.sha256:
        raise WrongState("这个模型的文件被改动过，不能使用。")
    return model


def _enter(
    session: Session,
    config: Settings,
    model: ModelVersion,
    kind: str,
    member_id: int | None,
    reason: str,
) -> tuple[int, Path]:
    """Note the switch; flushed. The file of the live model names the one before."""
    live = registry.live_file(config)
    previous = registry.id_of(session, live.name) if live else None
    if previous == model.id:
        raise WrongState("这个模型已经在用了。")
    promotion = Promotion(
        model_id=model.id,
        previous_id=previous,
        kind=kind,
        status="loading",
        reason=reason.strip()[:500],
        member_id=member_id,
        at=clock_now(),
    )
    session.add(promotion)
    session.flush()
    return int(promotion.id), Path(model.path)


async def _switch(
    factory: sessionmaker,
    http: aiohttp.ClientSession,
    config: Settings,
    promotion_id: int,
    archive: Path,
) -> Switched:
    started = time.monotonic()
    before = registry.live_file(config)
    target = await asyncio.to_thread(registry.put_live, config, archive)
    answers = await load_everywhere(http, config, target)
    refused = [words for words in answers.values() if words.startswith("HTTP 4")]
    if refused and before is not None:
        # The archive itself is bad: back at once, on the processes that took it too.
        await asyncio.to_thread(registry.put_live, config, before)
        await load_everywhere(http, config, before)
    seconds = round(time.monotonic() - started, 2)
    status = "failed" if refused else "loading" if any(answers.values()) else "done"
    await asyncio.to_thread(_note, factory, promotion_id, status, seconds, answers)
    return Switched(promotion_id, status == "done", seconds, answers)


def _note(
    factory: sessionmaker, promotion_id: int, status: str, seconds: float, answers: dict[str, str]
) -> None:
    with factory.begin() as session:
        promotion = session.get(Promotion, promotion_id)
        promotion.status, promotion.seconds, promotion.detail = status, seconds, answers
        if status == "done":
            promotion.done_at = promotion.model.last_live_at = clock_now()
            if promotion.previous:
                promotion.previous.last_live_at = clock_now()
            # A shadow was beside the model before: what it still says would mislead.
            jobs.end_shadows(session, clock_now())


async def load_everywhere(
    http: aiohttp.ClientSession, config: Settings, archive: Path
) -> dict[str, str]:
    """Ask every Rasa process to load an archive; what each answered, "" for success.

    One after another: loading takes a core for a second, and answers slow down meanwhile.
    """
    return {url: await _load(http, config, url, archive) for url in config.rasa_addresses}


async def _load(http: aiohttp.ClientSession, config: Settings, url: str, archive: Path) -> str:
    try:
        async with http.put(
            f"{url}/model",
            params={"token": config.rasa_token},
            json={"model_file": str(archive)},
            timeout=aiohttp.ClientTimeout(total=LOAD_SECONDS),
        ) as response:
            if response.status < 300:
                return ""
            return f"HTTP {response.status} {(await response.text())[:200]}"
    except (aiohttp.ClientError, asyncio.TimeoutError) as error:
        return f"{type(error).__name__} {error}"[:200]


async def loaded(http: aiohttp.ClientSession, config: Settings) -> dict[str, str | None]:
    """The archive each Rasa process serves; None where it does not answer."""

    async def ask(url: str) -> str | None:
        try:
            async with http.get(
                f"{url}/status",
                params={"token": config.rasa_token},
                timeout=aiohttp.ClientTimeout(total=5),
            ) as response:
                body: dict[str, Any] = await response.json()
                return Path(str(body.get("model_file") or "")).name
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
            return None

    urls = config.rasa_addresses
    return dict(zip(urls, await asyncio.gather(*map(ask, urls)), strict=True))


async def reconcile(factory: sessionmaker, http: aiohttp.ClientSession, config: Settings) -> None:
    """Bring each Rasa process to the live model, and finish a switch that was cut short."""
    archive = await asyncio.to_thread(registry.live_file, config)
    if archive is None:
        return
    await asyncio.to_thread(registry.adopt, factory, config, clock_now())
    unfinished = await asyncio.to_thread(_unfinished, factory)
    if unfinished and unfinished[1] != archive.name:
        # Killed between noting the switch and placing the file: go on with it.
        source = registry.candidates_dir(config) / unfinished[1]
        source = source if source.is_file() else config.models_dir / unfinished[1]
        if not source.is_file():
            await asyncio.to_thread(_note, factory, unfinished[0], "failed", 0.0, {})
            return
        archive = await asyncio.to_thread(registry.put_live, config, source)
    names = await loaded(http, config)
    behind = [url for url, name in names.items() if name is not None and name != archive.name]
    answers = await asyncio.gather(*(_load(http, config, url, archive) for url in behind))
    for url, answer in zip(behind, answers, strict=True):
        log.info("%s was behind; %s", url, answer or f"it serves {archive.name} now")
    if unfinished and not any(answers) and None not in names.values():
        await asyncio.to_thread(_note, factory, unfinished[0], "done", 0.0, {})


# Longer than a switch takes on several processes, one of which hangs.
STALLED = dt.timedelta(seconds=90)


def _unfinished(factory: sessionmaker) -> tuple[int, str] | None:
    """(id, file) of the last switch if it is loading and whoever began it must have died."""
    with factory() as session:
        last = last_switch(session)
        if last is None or last.status != "loading" or clock_now() - last.at < STALLED:
            return None
        return int(last.id), str(last.model.name)
