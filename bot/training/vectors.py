"""Sentence vectors for the desk, without Rasa: importing it costs seconds and 400 MB."""

from __future__ import annotations

from threading import Lock

import numpy as np

from bot.nlu.forward import VECTOR
from bot.nlu.vectors import encode

REMEMBERED = 20_000
_known: dict[str, np.ndarray] = {}
_lock = Lock()


def vectors(texts: list[str]) -> np.ndarray:
    """Unit vectors (n, 512), float32; texts seen before are not encoded again."""
    if not texts:
        return np.zeros((0, VECTOR), np.float32)
    with _lock:
        new = [text for text in dict.fromkeys(texts) if text not in _known]
        if len(_known) + len(new) > REMEMBERED:
            _known.clear()
            new = list(dict.fromkeys(texts))
        _known.update(zip(new, encode(new), strict=True))
        return np.stack([_known[text] for text in texts])
