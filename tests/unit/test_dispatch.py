"""Dispatch: the rules that must hold for whatever members there are."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.dispatch import Candidate, Decision, Need, Rung, decide, on_duty
from bot.domain.levels import LEVELS, Level, Role
from bot.domain.worktime import SHANGHAI

SKILLS = ("repair", "care", "mediation")
ROLES = {
    Level.BUILDING_GROUP: (Role.BUILDING_HEAD, Role.PARTY_HOUSEHOLD),
    Level.GRID: (Role.GRID_LEAD, Role.GRID_MEMBER),
    Level.COMMUNITY: (Role.COMMUNITY_SECRETARY, Role.DISPATCHER),
    Level.STREET: (Role.STREET_SECRETARY, Role.STREET_DESK),
}
NOW = dt.datetime(2026, 11, 24, 2, tzinfo=dt.timezone.utc)


def candidate(number: int, **values: object) -> Candidate:
    plain: dict = {
        "id": number,
        "name": f"成员{number}",
        "role": Role.GRID_MEMBER,
        "level": Level.GRID,
        "node_name": "一网格",
        "skills": frozenset(SKILLS),
        "capacity": 8,
        "load": 0.0,
        "on_duty": True,
    }
    return Candidate(**{**plain, **values})


@st.composite
def ladders(draw: st.DrawFn) -> list[Rung]:
    """Levels up to the street, where somebody always stands who is no party."""
    start = draw(st.sampled_from(list(ROLES)))
    rungs, number = [], 0
    for level in LEVELS[LEVELS.index(start) :]:
        members = []
        for _ in range(draw(st.integers(1 if level is Level.STREET else 0, 4))):
            number += 1
            members.append(
                candidate(
                    number,
                    role=draw(st.sampled_from(ROLES[level])),
                    level=level,
                    skills=draw(st.frozensets(st.sampled_from(SKILLS))),
                    capacity=draw(st.integers(1, 5)),
                    load=float(draw(st.integers(0, 6))),
                    on_duty=draw(st.booleans()),
                    is_party=draw(st.booleans()) and not (level is Level.STREET and not members),
                    returned=draw(st.booleans()),
                    knows_case=draw(st.booleans()),
                )
            )
        rungs.append(Rung(level, 100 + number, level.value, tuple(members)))
    return rungs


needs = st.builds(Need, st.sampled_from(SKILLS), st.sampled_from(["normal", "urgent", "danger"]))


def by_desk(decision: Decision) -> bool:
    return "兜底受理" in decision.reason


@settings(max_examples=400)
@given(needs, ladders())
def test_always_someone_in_scope_and_never_a_party(need, rungs):
    decision = decide(need, rungs)
    rung = next(r for r in rungs if r.node_id == decision.node_id)
    assert decision.member in rung.candidates
    assert decision.level is rung.level
    assert not decision.member.is_party
    assert decision.reason


@settings(max_examples=400)
@given(needs, ladders())
def test_only_the_duty_desk_takes_what_a_person_could_refuse(need, rungs):
    decision = decide(need, rungs)
    if by_desk(decision):
        assert decision.level is Level.STREET
        return
    assert not decision.member.returned
    if not need.danger:
        assert decision.member.on_duty
        assert need.skill in decision.member.skills
        assert decision.member.load < decision.member.capacity


@settings(max_examples=400)
@given(needs, ladders())
def test_a_nearer_able_person_is_never_passed_over(need, rungs):
    decision = decide(need, rungs)
    for rung in rungs[: [r.node_id for r in rungs].index(decision.node_id)]:
        for member in rung.candidates:
            barred = member.is_party or member.returned
            unable = need.skill not in member.skills or not member.on_duty or member.load_ratio >= 1
            assert barred or (unable and not need.danger)


@given(needs, ladders())
def test_each_one_passed_over_on_the_way_has_a_reason(need, rungs):
    decision = decide(need, rungs)
    asked = rungs[: [r.node_id for r in rungs].index(decision.node_id) + 1]
    names = {m.name for r in asked for m in r.candidates} - {decision.member.name}
    assert names == {name for name, _ in decision.rejected}
    assert all(reason for _, reason in decision.rejected)


@given(needs, ladders())
def test_the_same_question_has_the_same_answer(need, rungs):
    backwards = [replace(r, candidates=tuple(reversed(r.candidates))) for r in rungs]
    assert decide(need, rungs).member == decide(need, backwards).member


@given(needs, ladders())
def test_returns_end_at_the_duty_desk_in_a_bounded_number_of_moves(need, rungs):
    """Everyone refuses: nobody is asked twice, and the desk has it in the end."""
    asked: set[int] = set()
    for _ in range(1 + sum(len(r.candidates) for r in rungs)):
        decision = decide(need, rungs)
        if by_desk(decision):
            return
        assert decision.member.id not in asked
        asked.add(decision.member.id)
        rungs = [
            replace(
                r,
                candidates=tuple(
                    replace(m, returned=True) if m.id in asked else m for m in r.candidates
                ),
            )
            for r in rungs
        ]
    pytest.fail("the ticket circles")


@given(st.integers(2, 6), st.integers(1, 60), st.randoms())
def test_equal_members_get_equal_shares(size, tickets, random):
    """Loads of equal members differ by one at most, whatever they finish on the way."""
    members = {n: candidate(n, capacity=100) for n in range(1, size + 1)}
    shares: Counter[int] = Counter()
    for number in range(tickets):
        chosen = decide(Need("repair"), [Rung(Level.GRID, 1, "一网格", tuple(members.values()))])
        one = members[chosen.member.id]
        shares[one.id] += 1
        moment = NOW + dt.timedelta(minutes=number)
        members[one.id] = replace(one, load=one.load + 1, last_assigned_at=moment)
        loads = [m.load for m in members.values()]
        assert max(loads) - min(loads) <= 1
    assert max(shares.values()) - min(shares[n] for n in members) <= 1


def test_finishing_early_does_not_starve_the_others():
    """All are idle each time: turns go round by who waited longest."""
    members = {n: candidate(n) for n in range(1, 5)}
    turns = []
    for number in range(8):
        chosen = decide(Need("repair"), [Rung(Level.GRID, 1, "一网格", tuple(members.values()))])
        moment = NOW + dt.timedelta(minutes=number)
        members[chosen.member.id] = replace(chosen.member, last_assigned_at=moment)
        turns.append(chosen.member.id)
    assert turns == [1, 2, 3, 4, 1, 2, 3, 4]


def test_danger_prefers_those_on_duty():
    asleep, awake = candidate(1, on_duty=False), candidate(2, load=7.0)
    rungs = [Rung(Level.GRID, 1, "一网格", (asleep, awake))]
    assert decide(Need("repair", "danger"), rungs).member == awake


def test_danger_at_night_reaches_people_off_duty_and_says_why():
    rungs = [Rung(Level.GRID, 1, "一网格", (candidate(1, on_duty=False),))]
    decision = decide(Need("repair", "danger"), rungs)
    assert decision.member.id == 1
    assert "紧急情况不分班次" in decision.reason


def test_who_knows_the_case_is_preferred():
    rungs = [Rung(Level.GRID, 1, "一网格", (candidate(1), candidate(2, load=3.0, knows_case=True)))]
    assert decide(Need("repair"), rungs).member.id == 2


def test_the_desk_prefers_those_on_duty():
    street = Rung(
        Level.STREET,
        9,
        "青禾街道",
        (
            candidate(1, role=Role.STREET_DESK, skills=frozenset(), on_duty=False),
            candidate(2, role=Role.STREET_DESK, skills=frozenset(), load=7.0),
        ),
    )
    assert decide(Need("repair"), [street]).member.id == 2


def test_where_all_are_parties_the_matter_is_still_on_record():
    street = Rung(Level.STREET, 9, "青禾街道", (candidate(1, is_party=True),))
    decision = decide(Need("repair"), [street])
    assert decision.member.id == 1
    assert "均需回避" in decision.reason


def test_an_empty_street_is_an_error():
    with pytest.raises(LookupError):
        decide(Need("repair"), [Rung(Level.STREET, 9, "青禾街道", ())])


@pytest.mark.parametrize(
    ("shift", "moment", "expected"),
    [
        ({"days": [2], "start": "09:00", "end": "17:30"}, "2026-11-24 09:00", True),
        ({"days": [2], "start": "09:00", "end": "17:30"}, "2026-11-24 17:30", False),
        ({"days": [1], "start": "09:00", "end": "17:30"}, "2026-11-24 10:00", False),
        ({"days": [1], "start": "22:00", "end": "07:00"}, "2026-11-24 06:59", True),  # since Monday
        ({"days": [2], "start": "22:00", "end": "07:00"}, "2026-11-24 06:59", False),
        ({"days": [7], "start": "22:00", "end": "07:00"}, "2026-11-30 00:10", True),  # over Sunday
        ({"days": [2], "start": "12:00", "end": "00:00"}, "2026-11-24 23:59", True),
    ],
)
def test_shifts(shift, moment, expected):
    at = dt.datetime.fromisoformat(moment).replace(tzinfo=SHANGHAI)
    assert on_duty([shift], [], at) is expected


def test_leave_beats_the_roster():
    at = dt.datetime(2026, 11, 24, 10, tzinfo=SHANGHAI)
    assert on_duty([], [], at)
    assert not on_duty([], [{"from": "2026-11-20", "to": "2026-11-24"}], at)
