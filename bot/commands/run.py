"""`make run`: everything ready, the four processes under honcho, then the addresses."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from honcho.environ import parse_procfile
from honcho.manager import Manager

from bot.settings import ROOT, Settings, settings, variable

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 30


def run() -> int:
    """Check ports, set up, serve until Ctrl-C; the exit code."""
    from bot.commands.secrets import ensure_secrets
    from bot.commands.setup import setup

    ensure_secrets()
    busy = busy_ports(settings())
    if busy:
        print("\n".join(map(_port_sentence, busy)), file=sys.stderr)
        return 1
    return setup() or serve()


def busy_ports(config: Settings) -> list[str]:
    """Names of the port settings whose port is taken."""
    wanted = {
        "rasa_port": (config.rasa_host, config.rasa_port),
        "actions_port": ("127.0.0.1", config.actions_port),
        "desk_port": (config.desk_host, config.desk_port),
    }
    return [name for name, address in wanted.items() if not _can_bind(address)]


def _can_bind(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT after a restart is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def _port_sentence(name: str) -> str:
    port = getattr(settings(), name)
    return (
        f"端口 {port} 已被占用：请停掉占用它的程序，或在 .env 里改 {variable(name)}。\n"
        f"Port {port} is in use: stop the program that holds it, "
        f"or change {variable(name)} in .env."
    )


def serve(procfile: Path = ROOT / "Procfile") -> int:
    """Run the processes of a Procfile until Ctrl-C or until one process ends."""
    manager = Manager()
    environment = os.environ | {
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    for name, line in parse_procfile(procfile.read_text("utf-8")).processes.items():
        manager.add_process(name, line, env=environment, cwd=str(ROOT))
    # A closed terminal sends SIGHUP only to us: the processes lead sessions of their own.
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    threading.Thread(target=_announce, args=(settings(),), daemon=True).start()
    manager.loop()
    stopped_by_user = manager.returncode in (130, 143)
    print("邻里已停止。" if stopped_by_user else "有一个进程意外退出，其余已停止：见上面的日志。")
    return 0 if stopped_by_user else 1


def _announce(config: Settings) -> None:
    started = time.monotonic()
    reminder = started + PATIENCE_SECONDS
    while (waiting := not_ready(config)) is not None:
        if time.monotonic() > reminder:
            print(f"还在等待：{waiting}", flush=True)
            reminder += PATIENCE_SECONDS
        time.sleep(POLL_SECONDS)
    print(welcome(config, time.monotonic() - started), flush=True)


def not_ready(config: Settings) -> str | None:
    """What `/readyz` says is missing, or None when everything is up."""
    # No proxy from the environment: this is our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{config.desk_url}/readyz", timeout=5):
            return None
    except urllib.error.HTTPError as error:
        with contextlib.suppress(ValueError):
            return json.dumps(json.load(error), ensure_ascii=False)
        return f"HTTP {error.code}"
    except OSError:
        return "网页进程"


def welcome(config: Settings, seconds: float) -> str:
    """Addresses and, for the sample community, log-ins."""
    lines = [
        "",
        f"邻里已就绪（{seconds:.0f} 秒）。按 Ctrl-C 停止。",
        f"  居民聊天页  {config.public_url}/chat",
        f"  工作台      {config.public_url}/desk",
    ]
    if config.demo:
        lines += sample_logins(config)
    return "\n".join([*lines, ""])


def sample_logins(config: Settings) -> list[str]:
    """One log-in for each role of the sample community; none where no sample password is set."""
    from bot.community import load_community
    from bot.domain.levels import ROLE_NAMES

    community = load_community(config.community_file)
    if not community.sample_password:
        return []
    first = {member.role: member for member in reversed(community.members)}
    lines = [f"  示例账号（密码都是 {community.sample_password}）："]
    lines += [
        f"    {first[role].key:<16}{first[role].name}（{title}）"
        for role, title in ROLE_NAMES.items()
        if role in first
    ]
    return lines
