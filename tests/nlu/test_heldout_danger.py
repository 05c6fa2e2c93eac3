"""Danger is seen in sentences that are not trained on, and rarely elsewhere.

A guard against getting worse, not a blind measure: sentences like the first misses were added to
the training data, and thresholds chosen on it. First blind looks read .86, .958, .967, .950 and
.950 recall, each before its misses were learnt from.
"""

from bench.heldout import called_danger, share


def test_danger_is_recognised(understanding):
    seen = called_danger(understanding, "danger")
    assert share([danger for _, danger in seen]) >= 0.98


def test_what_only_sounds_like_danger_rarely_alarms(understanding):
    seen = called_danger(understanding, "not_danger")
    assert share([danger for _, danger in seen]) <= 0.1
