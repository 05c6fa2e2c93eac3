"""Badly typed, dictated and traditional-character messages are understood like plain ones."""

import pytest

from bench.heldout import accuracy, kept_intents, plain_pairs, share
from bench.perturb import DISTORTIONS


def test_plain_sentences_are_understood(understanding):
    assert accuracy(plain_pairs(understanding)) >= 0.95


@pytest.mark.parametrize("way", DISTORTIONS)
def test_distorted_sentences_keep_their_intent(understanding, way):
    rows = kept_intents(understanding, way)
    lost = [(text, then, now) for text, then, now in rows if then != now]
    assert share([then == now for _, then, now in rows]) >= 0.95, lost
