"""Many residents on the emulated WeChat, two Rasa processes, slow answers, overlapping retries.

`python -m bench.wechat` sends 2,000 messages of 200 residents, a fifth of which take longer than
the 5 seconds, through the whole product: two Rasas with the trained model, the actions, the worker,
first on SQLite, then on PostgreSQL. It checks that each message stands in the conversation exactly
once and was answered exactly once, in order. Each message asks for a ticket of a number of its own,
and the answer names that number. What is slow is an action: a proxy before the action server holds
it back. `--rate` is the messages a second that all residents together send; more than the machine
can handle makes answers late, never wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import select

from bot.channels.tracker import EVENTS
from bot.commands.train import newest_model
from bot.settings import ROOT
from bot.store.models import InboxMessage
from tests.channels.conftest import AES_KEY, APPID, TOKEN
from tests.channels.wechat_town import Town, town
from tests.databases import KINDS, Database, connect, fill, postgres
from tests.emulators.base import Callback
from tests.stack import SECRET
from tests.stack import TOKEN as RASA_TOKEN

RESULT = ROOT / "bench" / "results" / "wechat.json"
SLOW_SHARE, SLOW_SECONDS = 0.2, (5.5, 7.0)
OVERLAP = 0.6  # seconds before the end of a try at which the next one starts
LONGEST = 900.0  # seconds after which what is not answered never will be
QUESTION = "工单LL-20261101-{number:04d}到哪一步了"
ANSWER = "没有找到您名下编号为LL-20261101-{number:04d}的工单，请核对一下编号。"


@dataclass
class Result:
    """What was measured, and what went wrong (nothing, one hopes)."""

    messages: int
    residents: int
    rate: float  # messages a second that were meant
    seconds: float
    tries: int  # of the platform
    passive: int
    late: int
    run_again: int  # messages that needed another try of ours; each still stands there once
    handled_twice: int
    not_handled: int
    wrong_answers: int  # residents who saw anything else than their answers in order
    unavailable: int  # messages none of whose tries was acknowledged in time: too fast a rate

    @property
    def clean(self) -> bool:
        """Each message handled once and answered once, in order."""
        wrong = self.handled_twice + self.not_handled + self.wrong_answers + self.unavailable
        return wrong == 0


@dataclass(frozen=True)
class Scale:
    """How many, and how fast."""

    residents: int
    messages: int  # of each resident
    rate: float  # messages a second of all together

    @property
    def total(self) -> int:
        """Messages of all residents."""
        return self.residents * self.messages


FULL = Scale(200, 10, 6.0)
SMALL = Scale(10, 4, 2.0)  # what the tests run


class Run:
    """One run: the town, and its residents."""

    def __init__(self, scale: Scale, database: Database, folder: Path, models: Path) -> None:
        self.scale, self.database, self.folder, self.models = scale, database, folder, models
        self.random = random.Random(1)
        self.slow: dict[str, float] = {}
        self.unavailable = 0
        self.people = [f"openid-{number}" for number in range(scale.residents)]
        self.questions = {
            person: [
                QUESTION.format(number=1 + index * scale.messages + n)
                for n in range(scale.messages)
            ]
            for index, person in enumerate(self.people)
        }

    async def run(self) -> Result:
        callback = Callback("", TOKEN, AES_KEY, APPID, mode="safe", overlap=OVERLAP, drop=False)
        for question in (q for asked in self.questions.values() for q in asked):
            if self.random.random() < SLOW_SHARE:
                self.slow[question] = self.random.uniform(*SLOW_SECONDS)
        async with town(
            self.folder,
            self.database.url,
            rasas=2,
            callback=callback,
            delay=lambda text: self.slow.get(text, 0.0),
            LINLI_MODELS_DIR=str(self.models),
        ) as running:
            started = time.monotonic()
            everybody = [self._resident(running, person) for person in self.people]
            await asyncio.gather(*everybody)
            await self._all_answered(running, started + LONGEST)
            return self._result(running, time.monotonic() - started)

    async def _resident(self, running: Town, person: str) -> None:
        """Writes the next message when the last one was taken, as people do: at their own pace."""
        pause = 2 * self.scale.residents / self.scale.rate
        for question in self.questions[person]:
            await asyncio.sleep(self.random.random() * pause)
            delivered = await running.emulator.say(person, question)
            self.unavailable += delivered.failed

    async def _all_answered(self, running: Town, end: float) -> None:
        while time.monotonic() < end:
            if sum(len(self._answers(running, p)) for p in self.people) >= self.scale.total:
                return
            await asyncio.sleep(0.2)

    def _result(self, running: Town, seconds: float) -> Result:
        with self.database.factory() as session:
            tried = list(session.execute(select(InboxMessage.key, InboxMessage.attempts)))
            said = session.scalars(select(EVENTS.c.data).where(EVENTS.c.type_name == "user"))
            turns = Counter(json.loads(data)["message_id"] for data in said)
        shown = [line for p in self.people for line in running.emulator.phones[p]]
        return Result(
            messages=self.scale.total,
            residents=len(self.people),
            rate=self.scale.rate,
            seconds=round(seconds, 1),
            tries=running.emulator.caller.posts,
            passive=sum(line.via == "passive" for line in shown),
            late=sum(line.via == "custom" for line in shown),
            run_again=sum(attempts > 1 for _, attempts in tried),
            handled_twice=sum(count > 1 for count in turns.values()),
            not_handled=self.scale.total - len(turns),
            wrong_answers=sum(not self._answered_in_order(running, p) for p in self.people),
            unavailable=self.unavailable,
        )

    @staticmethod
    def _answers(running: Town, person: str) -> list[str]:
        """What the person got from us; the platform's own 「暂时无法提供服务」 is counted apart."""
        shown = running.emulator.phones[person]
        return [s.text for s in shown if s.direction == "got" and s.via != "error"]

    def _answered_in_order(self, running: Town, person: str) -> bool:
        first = 1 + self.people.index(person) * self.scale.messages
        numbers = range(first, first + self.scale.messages)
        return self._answers(running, person) == [ANSWER.format(number=n) for n in numbers]


@contextlib.contextmanager
def filled(kind: str, folder: Path) -> Iterator[Database]:
    """A new database with the sample community."""
    with contextlib.ExitStack() as opened:
        url = f"sqlite:///{folder}/linli.db"
        if kind == "postgresql":
            url = opened.enter_context(postgres())
        fill(kind, url)
        database = connect(kind, url)
        opened.callback(database.engine.dispose)
        yield database


def measure(kind: str, scale: Scale) -> Result:
    """One run on a database of this kind."""
    model = newest_model()
    assert model is not None, "python -m bot train first"
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as name:
        folder = Path(name)
        (folder / "models").mkdir()
        shutil.copy(model, folder / "models")
        with filled(kind, folder) as database:
            return asyncio.run(Run(scale, database, folder, folder / "models").run())


def main() -> int:
    """Command line; 1 when anything was handled or answered other than once, in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both")
    parser.add_argument("--residents", type=int, default=FULL.residents)
    parser.add_argument("--messages", type=int, default=FULL.messages, help="of each resident")
    parser.add_argument("--rate", type=float, default=FULL.rate, help="messages a second")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    os.environ.setdefault("LINLI_SECRET_KEY", SECRET)  # a checkout that never ran has no .env
    os.environ.setdefault("LINLI_RASA_TOKEN", RASA_TOKEN)
    scale = Scale(options.residents, options.messages, options.rate)
    clean = True
    for kind in KINDS if options.database == "both" else (options.database,):
        result = measure(kind, scale)
        clean = clean and result.clean
        before = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {}
        runs = {known: before[known] for known in KINDS if known in before}
        runs[kind] = {**asdict(result), "load": _load()}
        options.out.write_text(json.dumps(runs, indent=2) + "\n", "utf-8")
        print(json.dumps(runs[kind], indent=2))
    return 0 if clean else 1


def _load() -> str:
    """How busy the machine was in the last quarter of an hour, by its own count."""
    return f"{os.getloadavg()[2]:.1f} on {os.cpu_count()} cores"


if __name__ == "__main__":
    raise SystemExit(main())
