"""Many residents on the emulated WeChat, two Rasa processes, slow answers, overlapping retries.

`python -m bench.wechat` sends 2,000 messages of 200 residents, a fifth of which take longer than
the 5 seconds, and checks that each was handled exactly once and answered exactly once, in order.
The dialogue is a stub (tests/channels/rasa_stub.py); all else is the product. `--small` is what
the tests run: the same with shorter seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bot.channels.tracker import EVENTS
from bot.channels.tracker import make_engine as make_tracker_engine
from bot.services import answers, inbox
from bot.services.clock import now
from bot.settings import ROOT, Settings
from bot.store.base import make_engine, make_session_factory
from bot.worker.relay import relay
from bot.worker.wechat import wechat_sender
from tests.channels.conftest import AES_KEY, APPID, SECRET, TOKEN
from tests.databases import migrate
from tests.emulators.base import Callback
from tests.emulators.wechat import WeChatEmulator

SLOW_SHARE = 0.2


@dataclass
class Result:
    """What was measured, and what went wrong (nothing, one hopes)."""

    messages: int
    residents: int
    seconds: float
    tries: int
    passive: int
    late: int
    handled_twice: int
    not_handled: int
    wrong_answers: int
    unavailable: int

    @property
    def clean(self) -> bool:
        """Each message handled once and answered once, in order."""
        wrong = self.handled_twice + self.not_handled + self.wrong_answers + self.unavailable
        return wrong == 0


@dataclass(frozen=True)
class Scale:
    """How many, and how long the platform's seconds are."""

    residents: int
    messages: int  # of each resident
    second: float  # real seconds in one of the platform's
    pause: float = 2.0  # longest pause of a resident between messages, in such seconds


FULL = Scale(200, 10, 1.0)
SMALL = Scale(20, 5, 0.4)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Run:
    """One run: emulator, two servers, the worker's jobs, the residents."""

    def __init__(self, scale: Scale, folder: Path, url: str = "", seed: int = 1) -> None:
        self.scale, self.folder = scale, folder
        self.url = url or f"sqlite:///{folder}/linli.db"
        self.log = folder / "turns.tsv"
        self.random = random.Random(seed)
        callback = Callback("", TOKEN, AES_KEY, APPID, mode="safe")
        callback.deadline = 5.0 * scale.second
        callback.overlap = 0.6 * scale.second
        callback.drop = False
        self.emulator = WeChatEmulator(callback, appid=APPID, secret=SECRET)
        self.ports = [free_port(), free_port()]
        self.tries = 0
        self.unavailable = 0

    async def run(self) -> Result:
        migrate(self.url)
        self.factory = make_session_factory(make_engine(self.url))
        EVENTS.create(make_tracker_engine(self.url), checkfirst=True)
        runner = web.AppRunner(self.emulator.app())
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.base = f"http://127.0.0.1:{port}"
        self._alternate()
        servers = await asyncio.gather(*(self._server(port) for port in self.ports))
        try:
            return await self._measure()
        finally:
            for server in servers:
                server.terminate()
            await asyncio.gather(*(server.wait() for server in servers))
            await runner.cleanup()

    def _alternate(self) -> None:
        """A balancer: each try goes to the next server."""
        addresses = [f"http://127.0.0.1:{port}/webhooks/wechat/webhook" for port in self.ports]
        turns = itertools.cycle(addresses)
        caller = self.emulator.caller
        once = caller._once

        async def balanced(*args: Any) -> Any:
            self.tries += 1
            caller.callback.url = next(turns)
            return await once(*args)

        caller._once = balanced  # type: ignore[method-assign]

    async def _server(self, port: int) -> asyncio.subprocess.Process:
        budget = 4.5 * self.scale.second
        environment = os.environ | {
            "LINLI_ENV_FILE": "",
            "LINLI_SECRET_KEY": "bench-secret-key-" * 2,
            "LINLI_RASA_TOKEN": "bench-rasa-token-",
            "LINLI_DATABASE_URL": self.url,
            "LINLI_WECHAT_APPID": APPID,
            "LINLI_WECHAT_SECRET": SECRET,
            "LINLI_WECHAT_TOKEN": TOKEN,
            "LINLI_WECHAT_AES_KEY": AES_KEY,
            "LINLI_WECHAT_API_BASE": self.base,
            "LINLI_WECHAT_REPLY_BUDGET_SECONDS": str(budget),
            "STUB_SECOND": str(self.scale.second),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "tests.channels.rasa_stub", str(port), str(self.log)]
        server = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)
        async with aiohttp.ClientSession() as http:
            while True:
                try:
                    address = f"http://127.0.0.1:{port}/webhooks/wechat/webhook"
                    async with http.get(address):
                        return server
                except aiohttp.ClientError:
                    await asyncio.sleep(0.2)

    async def _measure(self) -> Result:
        stop = asyncio.Event()
        worker = asyncio.create_task(self._worker(stop))
        started = time.monotonic()
        people = [f"openid-{number}" for number in range(self.scale.residents)]
        await asyncio.gather(*(self._resident(person) for person in people))
        while sum(len(self.emulator.got(p)) for p in people) < self.total:
            if time.monotonic() - started > 600:
                break
            await asyncio.sleep(0.2)
        seconds = time.monotonic() - started
        stop.set()
        await worker
        return self._result(people, seconds)

    @property
    def total(self) -> int:
        return self.scale.residents * self.scale.messages

    async def _worker(self, stop: asyncio.Event) -> None:
        """The jobs of the worker process that matter here."""
        config = Settings.parse_obj(
            {
                "secret_key": "bench-secret-key-" * 2,
                "rasa_token": "bench-rasa-token-",
                "wechat_appid": APPID,
                "wechat_secret": SECRET,
                "wechat_token": TOKEN,
                "wechat_aes_key": AES_KEY,
                "wechat_api_base": self.base,
            }
        )
        async with aiohttp.ClientSession() as http:
            senders = {"wechat": wechat_sender(self.factory, http, config)}
            while not stop.is_set():
                await relay(self.factory, senders)
                await asyncio.to_thread(answers.sweep, self.factory, "wechat", now())
                for _, sender in await asyncio.to_thread(inbox.stalled, self.factory, now()):
                    await self._drain(http, sender)
                await asyncio.sleep(0.2)

    async def _drain(self, http: aiohttp.ClientSession, sender: str) -> None:
        address = f"http://127.0.0.1:{self.ports[0]}/webhooks/wechat/drain"
        headers = {"Authorization": "Bearer bench-rasa-token-"}
        async with http.post(address, json={"sender": sender}, headers=headers):
            pass

    async def _resident(self, person: str) -> None:
        """Writes the next message when the last one was taken, as people do: at their own pace."""
        await asyncio.sleep(self.random.random() * self.scale.pause * self.scale.second)
        for number in range(self.scale.messages):
            slow = self.random.random() < SLOW_SHARE
            text = f"第{number}条 等{self.random.choice([6, 7])}秒" if slow else f"第{number}条"
            delivered = await self.emulator.say(person, text)
            self.unavailable += delivered.failed
            await asyncio.sleep(self.random.random() * self.scale.pause * self.scale.second)

    def _result(self, people: list[str], seconds: float) -> Result:
        turns = Counter(line.split("\t")[1] for line in self.log.read_text("utf-8").splitlines())
        shown = [line for p in people for line in self.emulator.phones[p]]
        return Result(
            messages=self.total,
            residents=len(people),
            seconds=round(seconds, 1),
            tries=self.tries,
            passive=sum(line.via == "passive" for line in shown),
            late=sum(line.via == "custom" for line in shown),
            handled_twice=sum(count > 1 for count in turns.values()),
            not_handled=self.total - len(turns),
            wrong_answers=sum(not self._answered_in_order(p) for p in people),
            unavailable=self.unavailable,
        )

    def _answered_in_order(self, person: str) -> bool:
        sent = [line.text for line in self.emulator.phones[person] if line.direction == "sent"]
        return self.emulator.got(person) == [f"收到：{text}" for text in sent]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--database", default="", help="default: a new SQLite file")
    parser.add_argument("--pause", type=float, default=2.0, help="longest pause between messages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scale = replace(SMALL if options.small else FULL, pause=options.pause)
        result = asyncio.run(Run(scale, Path(folder), options.database).run())
    print(json.dumps(asdict(result), indent=2))
    return 0 if result.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
