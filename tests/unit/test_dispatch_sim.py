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


@pytest.fixture(scope="module")
def full_years() -> dict[str, Year]:
    """The street of 100,000 on a seed that no weight was chosen on: a tenth of it is too few people
    for a policy to show (there least-loaded keeps more deadlines than ours)."""
    street = Street(seed=11, scale=1.0)
    made = {name: Year(street, policy, 11) for name, policy in POLICIES.items()}
    for year in made.values():
        year.run()
    return made


def test_every_ticket_is_given_to_somebody(years):
    for year in years.values():
        assert all(case.holder >= 0 and case.moves >= 1 for case in year.cases)
        assert all(case.matter.at <= case.contacted for case in year.cases)


def test_ours_finishes_nearly_every_ticket_of_a_full_year(full_years):
    cases = full_years["ours"].cases
    unfinished = sum(case.resolved == float("inf") for case in cases)
    assert unfinished < len(cases) / 100  # those count as late


def test_ours_keeps_more_deadlines_and_spreads_the_load_better(full_years):
    table = {name: figures(year) for name, year in full_years.items()}
    ours = table.pop("ours")
    for name, other in table.items():
        assert ours["sla_met"] > other["sla_met"], name
        assert ours["load_gini"] < other["load_gini"], name
        assert ours["load_max_to_median"] < other["load_max_to_median"], name


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
