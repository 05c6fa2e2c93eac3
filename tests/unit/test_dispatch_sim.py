"""The simulator: the same year twice is the same, everything ends, and ours leads its table."""

import pytest

from bench.dispatch_sim import POLICIES, Street, Year, figures, gini
from bot.domain.levels import Level


@pytest.fixture(scope="module")
def street() -> Street:
    return Street(seed=5, scale=0.1)


@pytest.fixture(scope="module")
def years(street: Street) -> dict[str, Year]:
    made = {name: Year(street, policy, 5) for name, policy in POLICIES.items()}
    for year in made.values():
        year.run()
    return made


def test_nobody_gets_what_they_may_not_have(years):
    for year in years.values():
        for case in year.cases:
            assert case.holder not in case.matter.parties
            assert case.holder not in case.returned or case.level is Level.STREET


def test_the_same_seed_is_the_same_year(street, years):
    again = Year(street, POLICIES["ours"], 5)
    again.run()
    assert figures(again) == figures(years["ours"])


@pytest.mark.parametrize(
    ("values", "expected"), [([1.0, 1.0, 1.0], 0.0), ([0.0, 0.0, 3.0], 2 / 3), ([0.0], 0.0)]
)
def test_gini(values, expected):
    assert gini(values) == pytest.approx(expected)
