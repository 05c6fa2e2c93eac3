"""How near two descriptions are, without a model: shares of character pairs."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise


def pairs(text: str) -> Counter[str]:
    """Pairs of neighbouring characters, blanks and punctuation left out."""
    letters = [c for c in text.lower() if c.isalnum()]
    return Counter(a + b for a, b in pairwise(letters))


def nearness(one: str, other: str) -> float:
    """Cosine of the character pairs: 1 for the same words, 0 for nothing in common."""
    a, b = pairs(one), pairs(other)
    if not a or not b:
        return 0.0
    dot = sum(count * b[pair] for pair, count in a.items())
    return dot / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))
