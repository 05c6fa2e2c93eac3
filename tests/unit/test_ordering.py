"""The order of the review queue, clusters and drift: plain numbers, no database."""

import numpy as np

from bot.training.drift import z_of
from bot.training.ordering import clusters, density, pick
from bot.training.signals import margin


def unit(*angles: float) -> np.ndarray:
    """Vectors in the plane at these angles, in degrees."""
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_of_two_crowded_doubtful_rows_the_second_comes_from_elsewhere():
    rows = unit(0, 1, 2, 3, 90, 91, 92)
    first, second = pick(rows, np.ones(7), None, 2)
    assert (first < 4) != (second < 4)


def test_what_is_certain_or_already_labelled_comes_last():
    rows = unit(0, 60, 120)
    assert pick(rows, np.array([0.05, 0.9, 0.9]), unit(120), 3)[0] == 1
    assert pick(rows, np.array([0.05, 0.9, 0.9]), None, 3)[-1] == 0


def test_each_row_is_asked_once_and_nothing_is_asked_of_nothing():
    rows = unit(0, 10, 20)
    assert sorted(pick(rows, np.ones(3), None, 10)) == [0, 1, 2]
    assert pick(np.zeros((0, 2)), np.zeros(0), None, 10) == []
    assert not len(density(np.zeros((0, 2))))


def test_clusters_are_groups_of_three_or_more_like_rows_largest_first():
    groups = clusters(unit(0, 5, 10, 170, 175, 180, 185, 270))
    assert [sorted(group) for group in groups] == [[3, 4, 5, 6], [0, 1, 2]]


def test_a_share_that_doubled_among_many_is_significant_and_among_few_is_not():
    assert z_of(40, 200, 20, 200) > 2.58
    assert z_of(4, 20, 2, 20) < 2.58
    assert z_of(0, 0, 5, 10) == 0


def test_the_margin_leaves_the_fallback_aside():
    ranking = [
        {"name": "nlu_fallback", "confidence": 0.9},
        {"name": "housing", "confidence": 0.5},
        {"name": "dispute", "confidence": 0.4},
    ]
    assert abs(margin(ranking) - 0.1) < 1e-9
    assert margin([]) == 1.0
