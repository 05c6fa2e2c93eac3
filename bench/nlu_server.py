"""Rasa with one model, started with what the product replaces in it, asked by `/model/parse`."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE = 180
RASA = (
    "from rasa.__main__ import main; from bot.channels import rasa_speed; "
    "rasa_speed.install(); main()"
)
QUIET = {
    "RASA_TELEMETRY_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LOG_LEVEL": "ERROR",
    "LOG_LEVEL_LIBRARIES": "ERROR",
}


def environment() -> dict[str, str]:
    """One thread for linear algebra, and no chatter."""
    return {**os.environ, **QUIET}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ParseServer:
    """Starts Rasa, parses texts over one kept-open connection, and stops it."""

    def __init__(self, model: Path) -> None:
        self._model, self._port = model, free_port()

    def __enter__(self) -> ParseServer:
        self._folder = tempfile.TemporaryDirectory()
        credentials = Path(self._folder.name) / "credentials.yml"
        credentials.write_text("rest:\n", "utf-8")
        options = f"run --enable-api -i 127.0.0.1 -p {self._port}".split()
        files = ["--model", str(self._model), "--credentials", str(credentials)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", RASA, *options, *files, "--endpoints", str(credentials)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait()
        except RuntimeError:
            self.__exit__(None, None, None)  # `with` does not, for what it did not enter
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._folder.cleanup()

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self._line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
                self.parse("你好")
                return
            except (OSError, KeyError, http.client.HTTPException):
                time.sleep(0.5)
        raise RuntimeError("Rasa did not start")

    def parse(self, text: str) -> dict[str, Any]:
        """One parse."""
        body = json.dumps({"text": text}).encode()
        self._line.request("POST", "/model/parse", body, {"Content-Type": "application/json"})
        # Without it, the kernel waits 40 ms before it acknowledges the head of the answer.
        self._line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        parsed: dict[str, Any] = json.loads(self._line.getresponse().read())
        parsed["intent"]["name"]
        return parsed

    def memory_mb(self) -> float:
        """Resident memory of the server."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024
