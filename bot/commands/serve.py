"""The four processes of the Procfile, each of which also runs alone."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bot.settings import ROOT, Settings, settings, variable

LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"

# Rasa's Redis lock store takes no address, only its parts. Rasa expands unquoted values only.
REDIS_LOCK_STORE = """
lock_store:
  type: redis
  url: ${LINLI_REDIS_HOST}
  port: ${LINLI_REDIS_PORT}
  db: ${LINLI_REDIS_DB}
  username: ${LINLI_REDIS_USERNAME}
  password: ${LINLI_REDIS_PASSWORD}
  use_ssl: %s
"""


def prepare(config: Settings) -> None:
    """Set the environment that Rasa and its libraries read, before they are imported."""
    hush_deprecations()
    os.chdir(ROOT)
    sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]
    os.environ.update(
        {
            "RASA_TELEMETRY_ENABLED": "false",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "LOG_LEVEL": config.log_level,
            # endpoints.yml and credentials.yml name these; Rasa stops when one is unset.
            variable("rasa_port"): str(config.rasa_port),
            variable("actions_port"): str(config.actions_port),
            variable("desk_port"): str(config.desk_port),
        }
    )


def hush_deprecations() -> None:
    """Drop what Rasa's old libraries say about themselves; other warnings still show."""
    show = warnings.showwarning

    def show_others(message: Any, category: type[Warning], *place: Any, **options: Any) -> None:
        if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning)):
            show(message, category, *place, **options)

    warnings.showwarning = show_others


def rasa() -> None:
    """Serve channels and dialogue until told to stop."""
    config = settings()
    prepare(config)
    # In this process, not a new one, so that the token does not show in the process list.
    sys.argv = [
        "rasa",
        "run",
        *("--interface", config.rasa_host, "--port", str(config.rasa_port)),
        *("--model", str(config.models_dir), "--credentials", "credentials.yml"),
        *("--endpoints", str(endpoints_file(config))),
        *("--enable-api", "--auth-token", config.rasa_token),
    ]
    from rasa.__main__ import main

    from bot.channels import rasa_speed

    rasa_speed.install()
    main()


def endpoints_file(config: Settings) -> Path:
    """endpoints.yml, with a Redis lock store added when one is configured."""
    if not config.redis_url:
        return ROOT / "endpoints.yml"
    parts = urlsplit(config.redis_url)
    os.environ.update(
        {
            "LINLI_REDIS_HOST": parts.hostname or "127.0.0.1",
            "LINLI_REDIS_PORT": str(parts.port or 6379),
            "LINLI_REDIS_DB": parts.path.strip("/") or "0",
            "LINLI_REDIS_USERNAME": unquote(parts.username or ""),
            "LINLI_REDIS_PASSWORD": unquote(parts.password or ""),
        }
    )
    lock_store = REDIS_LOCK_STORE % str(parts.scheme == "rediss").lower()
    config.data_dir.mkdir(parents=True, exist_ok=True)
    path = config.data_dir / "endpoints.yml"
    path.write_text((ROOT / "endpoints.yml").read_text("utf-8") + lock_store, "utf-8")
    return path


def actions() -> None:
    """Serve the custom actions, on loopback only."""
    config = settings()
    prepare(config)
    os.environ["SANIC_HOST"] = "127.0.0.1"  # rasa_sdk listens everywhere otherwise
    sys.argv = ["rasa_sdk", "--actions", "actions", "--port", str(config.actions_port)]
    from rasa_sdk.__main__ import main

    from actions import catalogue

    catalogue.community()  # before it listens: the first resident would wait a second for it
    main()


def desk() -> None:
    """Serve the chat page and the staff desk."""
    _prepare_own()
    from bot.desk.main import run

    run()


def worker() -> None:
    """Run the background jobs."""
    _prepare_own()
    from bot.worker.main import run

    run()


def _prepare_own() -> None:
    config = settings()
    prepare(config)
    logging.basicConfig(level=config.log_level, format=LOG_FORMAT, stream=sys.stdout)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
