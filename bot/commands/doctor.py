"""`python -m bot doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator

from bot.settings import Settings, SettingsError, settings

Check = Callable[[Settings], str]


class CheckError(Exception):
    """A check that failed; the message says how to mend it."""


def doctor() -> int:
    """Print one line a check; 1 when any failed."""
    try:
        config = settings()
    except SettingsError as error:
        print(f"✗ 设置\n{error}")
        return 1
    failed = False
    for mark, line in _results(config):
        print(mark, line)
        failed |= mark == "✗"
    return int(failed)


def _results(config: Settings) -> Iterator[tuple[str, str]]:
    for check in CHECKS:
        try:
            yield "✓", check(config)
        except CheckError as error:
            yield "✗", str(error)


def _python(_config: Settings) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != (3, 10):
        raise CheckError(f"Python {version}：需要 3.10，请用 .venv/bin/python 运行")
    return f"Python {version}"


def _data_dir(config: Settings) -> str:
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=config.data_dir):
            pass
    except OSError as error:
        raise CheckError(f"数据目录 {config.data_dir} 写不了：{error.strerror}") from error
    return f"数据目录 {config.data_dir} 可写"


def _database(_config: Settings) -> str:
    from sqlalchemy.exc import SQLAlchemyError

    from bot.commands.setup import pending_migrations

    try:
        current, head = pending_migrations()
    except SQLAlchemyError as error:
        raise CheckError(f"数据库连不上（检查 LINLI_DATABASE_URL）：{error.__cause__}") from error
    if current != head:
        raise CheckError("数据库不是最新结构：请运行 python -m bot migrate")
    return "数据库可用，结构最新"


def _model(_config: Settings) -> str:
    from bot.commands.train import newest_model

    model = newest_model()
    if model is None:
        raise CheckError("没有这一版能用的语言模型：请运行 make train")
    return f"语言模型 {model.name}"


def _locks(config: Settings) -> str:
    workers = os.environ.get("SANIC_WORKERS", "1")
    if workers != "1" and not config.redis_url:
        # Rasa would stay at one worker without a word.
        raise CheckError(f"SANIC_WORKERS={workers} 需要 Redis：请设置 LINLI_REDIS_URL")
    return "对话锁：Redis" if config.redis_url else "对话锁：进程内存（单个对话进程）"


def _platforms(config: Settings) -> str:
    state = {True: "已配置", False: "未配置"}
    return f"公众号{state[config.wechat_enabled]}，企业微信{state[config.wecom_enabled]}"


def _processes(config: Settings) -> str:
    from bot.commands.run import busy_ports, not_ready

    if not busy_ports(config):
        return "端口空闲，可以启动"
    missing = not_ready(config)
    if missing is not None:
        raise CheckError(f"端口已被占用，但邻里没有就绪：{missing}")
    return f"四个进程正在运行：{config.public_url}/chat"


CHECKS: tuple[Check, ...] = (_python, _data_dir, _database, _model, _locks, _platforms, _processes)
