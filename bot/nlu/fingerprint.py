"""Tell Rasa's training cache about files it cannot see."""

from __future__ import annotations

import hashlib
from pathlib import Path

_HERE = Path(__file__).parent


def fingerprint(named: str | list[str] | None = None) -> str:
    """A hash of this package's code and of the files or folders that a setting names.

    Components pass `config.get(…)`: of a step whose result comes from the cache, Rasa asks for the
    fingerprint with a configuration that lacks all settings, and drops the answer.
    """
    files = sorted(_HERE.glob("*.py"))
    for path in map(Path, [named] if isinstance(named, str) else named or []):
        files += sorted(path.iterdir()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()
