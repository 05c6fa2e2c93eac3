"""The real processes of Linli, started and stopped by tests on ports of their own.

`Stack(folder, database_url).start("rasa", "actions")` starts `python -m bot serve-…`, and comes
back when every one of them says it is ready. `kill` is a SIGKILL, as a crash would be.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.settings import ROOT
from tests.databases import Database

PROCESSES = ("actions", "rasa", "desk", "worker")
PORTS = ("rasa", "actions", "desk")
TOKEN = "test-rasa-token-"
SECRET = "test-secret-key-" * 2
START_SECONDS = 90.0


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str, timeout: float = 5.0) -> tuple[int, bytes]:
    """Status and body of a GET; (0, b"") where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


class Stack:
    """Up to four processes on one database; `log(name)` is what a process printed."""

    def __init__(self, folder: Path, database_url: str, **env: str) -> None:
        self.folder, self.database_url, self.extra = folder, database_url, env
        self.ports = {name: free_port() for name in PORTS}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, dt.datetime] = {}

    @property
    def rasa_url(self) -> str:
        """Base address of Rasa."""
        return f"http://127.0.0.1:{self.ports['rasa']}"

    @property
    def desk_url(self) -> str:
        """Base address of the chat page and the staff desk."""
        return f"http://127.0.0.1:{self.ports['desk']}"

    @property
    def env(self) -> dict[str, str]:
        """Environment of every process: nothing of the developer's own settings."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("LINLI_")}
        ports = {f"LINLI_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        return {
            **own,
            **ports,
            "LINLI_ENV_FILE": os.devnull,
            "LINLI_SECRET_KEY": SECRET,
            "LINLI_RASA_TOKEN": TOKEN,
            "LINLI_DATABASE_URL": self.database_url,
            "LINLI_DATA_DIR": str(self.folder),
            "LINLI_PUBLIC_URL": self.desk_url,
            "PYTHONUNBUFFERED": "1",
            **self.extra,
        }

    def start(self, *names: str) -> Stack:
        """Start processes (all four by default) and wait until each is ready."""
        wanted = names or PROCESSES
        for name in wanted:
            self._spawn(name)
        for name in wanted:
            self._wait(name)
        return self

    def _spawn(self, name: str) -> None:
        assert name not in self.running, f"{name} is running already"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._started[name] = dt.datetime.now(dt.timezone.utc)
        with self._log_path(name).open("ab") as out:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "bot", f"serve-{name}"],
                cwd=ROOT,
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, name: str) -> None:
        ready = self._probe(name)
        end = time.monotonic() + START_SECONDS
        while not ready():
            if self.running[name].poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{name} did not start:\n{self.log(name)[-4000:]}")
            time.sleep(0.1)  # nothing announces the moment at which a port answers

    def _probe(self, name: str) -> Callable[[], bool]:
        urls = {
            "rasa": f"{self.rasa_url}/status?token={TOKEN}",
            "actions": f"http://127.0.0.1:{self.ports['actions']}/health",
            "desk": f"{self.desk_url}/healthz",
        }
        if name == "worker":
            return self._worker_beats
        return lambda: get(urls[name])[0] == 200

    def _worker_beats(self) -> bool:
        from sqlalchemy import select

        from bot.store.base import make_engine, make_session_factory
        from bot.store.models import Heartbeat

        engine = make_engine(self.database_url)
        try:
            with make_session_factory(engine)() as session:
                at = session.scalar(select(Heartbeat.at).where(Heartbeat.name == "worker"))
                return at is not None and at >= self._started["worker"]
        finally:
            engine.dispose()

    def stop(self, *names: str) -> None:
        """Ask processes (all by default) to end, and wait until they have."""
        self._end(names, signal.SIGTERM)

    def kill(self, *names: str) -> None:
        """End processes at once, as a crash does."""
        self._end(names, signal.SIGKILL)

    def _end(self, names: tuple[str, ...], how: signal.Signals) -> None:
        ending = [(name, self.running.pop(name)) for name in names or tuple(self.running)]
        for _, process in ending:
            self._signal(process, how)
        for _, process in ending:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                self._signal(process, signal.SIGKILL)
                process.wait(15)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)  # the group that this stack itself started

    def _log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self, name: str) -> str:
        """Everything a process has printed so far."""
        path = self._log_path(name)
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def say(self, sender: str, message: str) -> list[dict[str, Any]]:
        """Send a message over the `rest` channel; the replies as Rasa gives them."""
        request = urllib.request.Request(
            f"{self.rasa_url}/webhooks/rest/webhook",
            json.dumps({"sender": sender, "message": message}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@dataclass(frozen=True)
class Talk:
    """Running processes and the database they work on."""

    stack: Stack
    database: Database
