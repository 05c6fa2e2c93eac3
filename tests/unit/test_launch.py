"""Starting and stopping: secrets, ports, what Rasa is told, and that no process is left behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import patch

import pytest

from bot.commands import run as launcher
from bot.commands import serve as processes
from bot.commands.secrets import ensure_secrets
from bot.settings import ROOT, settings


@pytest.fixture
def configured():
    """Settings read anew from the environment plus the given values."""
    settings.cache_clear()
    with patch.dict(os.environ):

        def configure(**values):
            os.environ.update(values)
            return settings()

        yield configure
    settings.cache_clear()


def test_secrets_are_made_once_kept_private_and_never_replaced(configured, tmp_path):
    file = tmp_path / "secrets.env"
    file.write_text("LINLI_DESK_PORT=9001\n")
    file.chmod(0o600)
    os.environ["LINLI_ENV_FILE"] = str(file)
    del os.environ["LINLI_SECRET_KEY"], os.environ["LINLI_RASA_TOKEN"]
    assert "已生成" in ensure_secrets()
    first = file.read_text()
    assert ensure_secrets() == "已就绪"
    assert file.read_text() == first
    assert first.startswith("LINLI_DESK_PORT=9001\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert settings().secret_key in first
    assert settings().rasa_token in first


def test_a_busy_port_gives_one_sentence_in_both_languages(configured, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        configured(LINLI_DESK_PORT=port, LINLI_RASA_PORT="1", LINLI_DATA_DIR=str(tmp_path / "d"))
        assert "desk_port" in launcher.busy_ports(settings())
        with patch.object(launcher, "busy_ports", return_value=["desk_port"]):
            assert launcher.run() == 1
    said = capsys.readouterr().err
    assert f"端口 {port} 已被占用" in said
    assert f"Port {port} is in use" in said
    assert "LINLI_DESK_PORT" in said
    assert not (tmp_path / "d").exists(), "nothing is set up when it could not start"


def test_rasa_reads_its_endpoints(configured):
    from rasa.utils.endpoints import read_endpoint_config

    config = configured(LINLI_ACTIONS_PORT="5999")
    processes.prepare(config)
    file = str(processes.endpoints_file(config))
    assert read_endpoint_config(file, "action_endpoint").url == "http://127.0.0.1:5999/webhook"
    assert read_endpoint_config(file, "lock_store") is None


def test_redis_becomes_rasas_lock_store_and_its_password_stays_off_the_disk(configured, tmp_path):
    from rasa.utils.endpoints import read_endpoint_config

    config = configured(
        LINLI_REDIS_URL="rediss://u:p%40ss@cache:6380/3", LINLI_DATA_DIR=str(tmp_path)
    )
    processes.prepare(config)
    file = processes.endpoints_file(config)
    store = read_endpoint_config(str(file), "lock_store")
    assert (store.type, store.url) == ("redis", "cache")
    assert store.kwargs == {
        "port": "6380",
        "db": "3",
        "username": "u",
        "password": "p@ss",
        "use_ssl": True,
    }
    assert "p@ss" not in file.read_text()


class Readiness(BaseHTTPRequestHandler):
    answer = (503, b'{"worker": "no heart-beat"}')

    def do_GET(self):
        status, body = self.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


def test_waiting_names_what_is_missing_until_all_is_ready(configured):
    with HTTPServer(("127.0.0.1", 0), Readiness) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = configured(LINLI_DESK_PORT=str(server.server_port))
        assert "no heart-beat" in launcher.not_ready(config)
        with patch.object(Readiness, "answer", (200, b"{}")):
            assert launcher.not_ready(config) is None
        server.shutdown()
    assert launcher.not_ready(config) is not None


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_ends_every_process(tmp_path, way):
    # Each line starts a child of its own, as a shell or a worker pool would.
    procfile = tmp_path / "Procfile"
    procfile.write_text("".join(f"p{i}: sleep 60 & echo pid $!; wait\n" for i in range(2)))
    code = (
        "import sys; from pathlib import Path; from bot.commands.run import serve; "
        "sys.exit(serve(Path(sys.argv[1])))"
    )
    launched = subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(procfile)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = []
    for line in launched.stdout:
        if "| pid " in line:
            pids.append(int(line.split()[-1]))
        if len(pids) == 2:
            break
    launched.send_signal(way)
    output, _ = launched.communicate(timeout=30)
    assert launched.returncode == 0
    assert "邻里已停止" in output
    assert not any(map(alive, pids))
