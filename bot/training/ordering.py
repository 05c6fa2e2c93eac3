"""Which messages to ask people about first.

A label is worth more where the model is unsure, where many other messages are like this one, and
where no like message was just asked about. The three are multiplied; nothing here needs a database.
"""

from __future__ import annotations

import numpy as np

# Likeness of two sentence vectors fades by this factor: at cosine 0.5 it counts 5 %.
SHARPNESS = 6.0
DENSITY_POWER = 0.5
DISTANCE_POWER = 0.5
LEAST_DISTANCE = 0.02
CLUSTER_COSINE = 0.62


def density(vectors: np.ndarray) -> np.ndarray:
    """How much company each unit vector (n, d) has among the others, 1 for the densest."""
    if not len(vectors):
        return np.zeros(0)
    mass = np.exp(SHARPNESS * (vectors @ vectors.T - 1)).mean(axis=1)
    return mass / mass.max()


def pick(vectors: np.ndarray, value: np.ndarray, known: np.ndarray | None, count: int) -> list[int]:
    """Places of the `count` most useful rows, best first.

    `vectors` (n, d) have length 1; `value` (n) says how unsure or telling each row is, 0 to 1;
    `known` (m, d) are the messages already labelled, near which little can be learnt.
    """
    gain = value * density(vectors) ** DENSITY_POWER
    nearest = np.zeros(len(vectors))
    if known is not None and len(known) and len(vectors):
        nearest = (vectors @ known.T).max(axis=1)
    chosen: list[int] = []
    for _ in range(min(count, len(vectors))):
        distance = np.maximum(1 - nearest, LEAST_DISTANCE)
        worth = gain * distance**DISTANCE_POWER
        worth[chosen] = -1
        best = int(worth.argmax())
        chosen.append(best)
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen


def clusters(vectors: np.ndarray, smallest: int = 3) -> list[list[int]]:
    """Groups of like rows, largest first: each is a densest row and all that is near it."""
    near = vectors @ vectors.T >= CLUSTER_COSINE
    free = np.ones(len(vectors), bool)
    found: list[list[int]] = []
    while free.any():
        sizes = (near & free).sum(axis=1) * free
        centre = int(sizes.argmax())
        if sizes[centre] < smallest:
            break
        group = np.flatnonzero(near[centre] & free)
        found.append([centre, *(int(i) for i in group if i != centre)])
        free[group] = False
    return found
