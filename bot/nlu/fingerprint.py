"""What Rasa's training cache goes by: files it cannot see, and names for sentences in work."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from rasa.shared.nlu.training_data.training_data import TrainingData

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


def named_by_step(
    process: Callable[[Any, TrainingData], TrainingData],
) -> Callable[[Any, TrainingData], TrainingData]:
    """For `process_training_data`: the cache knows a sentence by what it was and by the step.

    Rasa would hash its tokens and features anew after every step, and that takes longer than most
    steps do. A step must depend on nothing but the sentences, its settings and its fingerprint.
    """

    @wraps(process)
    def run(component: Any, training_data: TrainingData) -> TrainingData:
        messages = training_data.training_examples
        before = [message.fingerprint() for message in messages]
        done = process(component, training_data)
        kind, config = type(component), component._config
        step = repr((kind.__qualname__, fingerprint(), kind.fingerprint_addon(config), config))
        for message, name in zip(messages, before, strict=True):
            message._cached_fingerprint = hashlib.md5(f"{name} {step}".encode()).hexdigest()
        return done

    return run
