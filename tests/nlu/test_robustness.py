"""Badly typed, dictated and traditional-character messages are understood like plain ones."""

import pytest

from bench.heldout import accuracy, kept_intents, labelled, plain_pairs, plain_sentences, share
from bench.perturb import DISTORTIONS


def test_plain_sentences_are_understood(understanding):
    assert accuracy(plain_pairs(understanding)) >= 0.95


@pytest.mark.parametrize("way", DISTORTIONS)
def test_distorted_sentences_keep_their_intent(understanding, way):
    rows = kept_intents(understanding, way, plain_sentences())
    lost = [(text, then, now) for text, then, now in rows if then != now]
    assert share([then == now for _, then, now in rows]) >= 0.95, lost


def test_where_it_is_does_not_change_what_it_is(understanding):
    matters = [text for text, _ in labelled("items")]
    rows = kept_intents(understanding, "addressed", matters)
    lost = [(text, then, now) for text, then, now in rows if then != now]
    assert share([then == now for _, then, now in rows]) >= 0.95, lost
