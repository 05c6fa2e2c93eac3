"""jieba user dictionaries."""

from collections.abc import Iterable
from pathlib import Path

FREQUENCY = 20000


def write_dictionary(words: Iterable[str], path: str | Path) -> None:
    """Write a jieba user dictionary: one distinct word a line, in a stable order."""
    lines = (f"{word} {FREQUENCY} nz\n" for word in sorted({w.strip() for w in words} - {""}))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(lines), "utf-8")
