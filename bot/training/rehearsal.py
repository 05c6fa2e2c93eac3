"""Conversations with a model before it may go live: real dialogue, real actions, nobody hears.

They run in a process of their own (`python -m bot.training.rehearsal ARCHIVE SCRIPTS`), on a
database made for them and thrown away. It ends with whoever started it: its input is a pipe, and
when that closes it is over.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from bot.settings import ROOT, settings
from bot.training import scripts
from bot.training.scripts import SCRIPTS, Script

log = logging.getLogger(__name__)

SECONDS = 180
CHANNEL = "rest"


def rehearse(archive: Path, path: Path = SCRIPTS) -> dict[str, str] | None:
    """{name: what went wrong, "" where nothing did} of each script; None when it broke off."""
    with tempfile.TemporaryDirectory(prefix="linli-rehearsal-") as folder:
        env = {
            **os.environ,
            "LINLI_DATABASE_URL": f"sqlite:///{folder}/linli.db",
            "LINLI_DATA_DIR": folder,
            "LINLI_ATTACHMENTS_DIR": f"{folder}/attachments",
        }
        command = [sys.executable, "-m", "bot.training.rehearsal", str(archive), str(path)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe) as process:
            try:
                # Not communicate(), which closes the input at once.
                timer = threading.Timer(SECONDS, process.kill)
                timer.start()
                assert process.stdout is not None
                answer = process.stdout.read()
                process.wait()
            finally:
                timer.cancel()
                process.kill()
        if process.returncode != 0:
            log.error("the rehearsal of %s broke off: %s", archive.name, process.returncode)
            return None
        return dict(json.loads(answer))


def compare(candidate: Path, live: Path | None, path: Path = SCRIPTS) -> dict[str, Any]:
    """The part of the gate's report on conversations.

    {"n", "failed": {name: why} of the candidate, "lost": names that the live model passes,
    "finished"}. The live model is only asked when the candidate fails.
    """
    new = rehearse(candidate, path)
    failed = {name: why for name, why in (new or {}).items() if why}
    old = rehearse(live, path) if failed and live else None
    # A live model whose rehearsal broke off excuses nothing.
    lost = [name for name in failed if live and not (old or {}).get(name)]
    return {"n": len(new or {}), "failed": failed, "lost": lost, "finished": new is not None}


async def play(agent: Any, script: Script, sender: str) -> str:
    """Hold one conversation; what went wrong first, "" where nothing did."""
    from rasa.core.channels.channel import CollectingOutputChannel, UserMessage

    buttons: list[dict[str, str]] = []
    for turn in script["turns"]:
        text = str(turn.get("say") or "")
        if "tap" in turn:
            fitting = [b["payload"] for b in buttons if turn["tap"] in b["title"]]
            if not fitting:
                return f"没有选项“{turn['tap']}”"
            text = fitting[0]
        output = CollectingOutputChannel()
        await agent.handle_message(UserMessage(text, output, sender, input_channel=CHANNEL))
        buttons = [b for m in output.messages for b in m.get("buttons") or []] or buttons
        if wrong := scripts.faults(turn, output.messages):
            return f"说“{turn.get('say') or turn['tap']}”时，{wrong[0]}"
    found = await asyncio.to_thread(tickets_of, sender)
    return "；".join(scripts.ticket_faults(script.get("tickets", []), found))


def tickets_of(sender: str) -> list[Any]:
    """The tickets of one of the residents that the scripts play, oldest first."""
    from sqlalchemy import select

    from bot.store.db import session_factory
    from bot.store.models import Resident, Ticket

    with session_factory()() as session:
        mine = select(Ticket).join(Resident, Ticket.resident_id == Resident.id)
        return list(session.scalars(mine.where(Resident.external_id == sender).order_by(Ticket.id)))


def prepare() -> None:
    """Tables and the community, in the database of this process."""
    from bot.community import load_community
    from bot.services.sync import sync
    from bot.store import models_training  # noqa: F401  (its tables belong to the rest)
    from bot.store.base import Base
    from bot.store.db import session_factory

    Base.metadata.create_all(session_factory().kw["bind"])
    sync(session_factory(), load_community(settings().community_file))


async def play_all(archive: Path, path: Path) -> dict[str, str]:
    """Every script with one model."""
    from rasa.core.agent import Agent
    from rasa.utils.log_utils import configure_structlog

    from bot.training.own_actions import OwnActions

    configure_structlog(logging.WARNING)
    agent = Agent.load(archive, action_endpoint=OwnActions())
    return {
        script["name"]: await play(agent, script, f"rehearsal-{number}")
        for number, script in enumerate(scripts.read(path))
    }


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(3)


def main() -> int:
    """Command line."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get into the answer
    os.chdir(ROOT)
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    prepare()
    result = asyncio.run(play_all(Path(sys.argv[1]), Path(sys.argv[2])))
    print(json.dumps(result, ensure_ascii=False), file=answer, flush=True)
    os._exit(0)  # a daemon thread that reads would hold up the end


if __name__ == "__main__":
    main()
