"""The secrets of a new installation."""

from __future__ import annotations

import os
import secrets

from bot.settings import env_file, load_env_file, variable

SECRETS = ("secret_key", "rasa_token")


def ensure_secrets() -> str:
    """Write the secrets that are set nowhere to `.env`; what was done, in words."""
    load_env_file()
    missing = [variable(name) for name in SECRETS if not os.environ.get(variable(name))]
    if not missing:
        return "已就绪"
    path = env_file()
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
        for name in missing:
            os.environ[name] = secrets.token_hex(32)
            file.write(f"{name}={os.environ[name]}\n")
    return f"已生成，写入 {path.name}（请勿外传）"
