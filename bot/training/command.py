"""`python -m bot corpus export|import|check`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bot.domain.errors import LinliError
from bot.services.clock import now
from bot.settings import ROOT
from bot.store.db import session_factory
from bot.training import exchange, validate


def corpus(action: str, path: str | None = None) -> int:
    """The command; the exit code."""
    try:
        return {"export": _export, "import": _import, "check": _check}[action](path)
    except LinliError as error:
        print(error.text, file=sys.stderr)
        return 1


def _export(path: str | None) -> int:
    folder = Path(path or ROOT / "var" / "corpus")
    counts = exchange.export(session_factory(), folder)
    print(f"已写入 {folder}：自带 {counts['data']} 句，审核通过 {counts['labels']} 句。")
    return 0


def _import(path: str | None) -> int:
    if path is None:
        print("请写明要导入的文件。", file=sys.stderr)
        return 2
    taken = exchange.import_file(session_factory(), Path(path), now())
    print(f"新收入 {taken} 句；已有的没有重复收入。")
    return 0


def _check(_path: str | None) -> int:
    with tempfile.TemporaryDirectory() as folder:
        exchange.export(session_factory(), Path(folder))
        problems = validate.check(exchange.sentences(Path(folder)))
    for problem in problems:
        print(f"{'✗' if problem.stops else '·'} {problem.text}。{problem.mend}")
    print("没有问题。" if not problems else f"共 {len(problems)} 处。")
    return 1 if any(problem.stops for problem in problems) else 0
