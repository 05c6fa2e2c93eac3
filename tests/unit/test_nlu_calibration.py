"""Laws of the step from raw scores to probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bot.nlu.calibration import Calibration

CLASSES = ["dispute/noise", "greet", "housing/lift", "housing/repair", "thanks"]
SCORES = arrays(np.float64, (3, len(CLASSES)), elements=st.floats(-8, 8, width=32))


def rows(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


@given(SCORES, st.floats(0.4, 2.0), st.floats(0.3, 1.5))
def test_probabilities_stay_probabilities_and_items_keep_their_order(scores, heat, sharpness):
    raw = rows(scores)
    honest = Calibration(CLASSES, heat, 1.3, sharpness)(raw)
    assert (honest >= 0).all() and honest.sum(axis=1) == pytest.approx(1)
    # Which item of an intent is the likelier one is not for this step to change.
    lift, repair = honest[:, 2], honest[:, 3]
    apart = np.abs(raw[:, 2] - raw[:, 3]) > 1e-9
    assert ((lift > repair) == (raw[:, 2] > raw[:, 3]))[apart].all()


@given(SCORES, st.floats(0.3, 1.5))
def test_how_sure_an_intent_is_does_not_decide_whether_it_is_a_matter(scores, sharpness):
    raw, matters = rows(scores), [0, 2, 3]
    plain = Calibration(CLASSES, 0.8, 1.3, 1.0)(raw)[:, matters].sum(axis=1)
    sharp = Calibration(CLASSES, 0.8, 1.3, sharpness)(raw)[:, matters].sum(axis=1)
    assert sharp == pytest.approx(plain, abs=1e-6)


def test_two_fair_items_outweigh_one_that_is_a_little_likelier():
    raw = np.array([[0.50, 0.02, 0.23, 0.23, 0.02]])
    honest = Calibration(CLASSES, 1.0, 1.3, 1.0)(raw)
    assert honest[0, 2] + honest[0, 3] > honest[0, 0]


def test_fitting_makes_the_overconfident_modest():
    noise = np.random.default_rng(0)
    truth = noise.integers(0, len(CLASSES), 4000)
    # Right six times in ten, and always 95 % sure.
    said = np.where(noise.random(4000) < 0.6, truth, noise.integers(0, len(CLASSES), 4000))
    raw = np.full((4000, len(CLASSES)), 0.05 / 4)
    raw[np.arange(4000), said] = 0.95
    calibration = Calibration(CLASSES)
    report = calibration.fit(raw, truth)
    assert report["held_ece"] < 0.06 < abs(0.95 - report["held_class_accuracy"])
