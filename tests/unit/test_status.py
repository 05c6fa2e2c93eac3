"""The table of a ticket's life: nothing is stuck, nothing leaves its end, nobody oversteps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import AlreadyTaken, NotAllowed, WrongState
from bot.domain.status import (
    FINAL,
    OPEN,
    RULES,
    STATUS_NAMES,
    STEP_NAMES,
    Actor,
    Status,
    Step,
    allowed,
    check,
)

EVERYBODY = frozenset(Actor)
STAFF = frozenset({Actor.ASSIGNEE, Actor.DISPATCHER, Actor.SUPERIOR})


def targets(status: Status) -> set[Status]:
    return {r.target for r in RULES if status in r.sources and r.target}


def reachable(start: Status) -> set[Status]:
    seen, todo = {start}, [start]
    while todo:
        new = targets(todo.pop()) - seen
        seen |= new
        todo.extend(new)
    return seen


def test_every_state_can_be_reached_from_a_draft():
    assert reachable(Status.DRAFT) == set(Status)


@pytest.mark.parametrize("status", sorted(OPEN))
def test_from_every_open_state_the_matter_can_be_resolved(status):
    assert Status.RESOLVED in reachable(status)


def test_what_is_withdrawn_stays_withdrawn():
    assert targets(Status.WITHDRAWN) == set()


def test_a_closed_ticket_can_only_be_reopened():
    assert targets(Status.CLOSED) == {Status.REOPENED}


def test_only_the_resident_rates_and_withdraws():
    for step in (Step.RATE, Step.WITHDRAW):
        assert {a for r in RULES if r.step is step for a in r.actors} == {Actor.RESIDENT}


def test_only_the_assignee_accepts_returns_and_resolves():
    for step in (Step.ACCEPT, Step.RETURN, Step.RESOLVE):
        assert {a for r in RULES if r.step is step for a in r.actors} == {Actor.ASSIGNEE}


def test_an_assignee_cannot_approve_the_own_suspension():
    with pytest.raises(NotAllowed):
        check(Step.SUSPEND, Status.IN_PROGRESS, frozenset({Actor.ASSIGNEE}))


def test_the_second_to_accept_hears_that_it_is_taken():
    with pytest.raises(AlreadyTaken, match="已被接单"):
        check(Step.ACCEPT, Status.ACCEPTED, frozenset({Actor.ASSIGNEE}))


@given(st.sampled_from(Step), st.sampled_from(Status), st.frozensets(st.sampled_from(Actor)))
def test_check_agrees_with_allowed(step, status, actors):
    """What is offered works, what is not offered fails with a sentence."""
    try:
        after = check(step, status, actors)
    except (WrongState, NotAllowed) as error:
        assert step not in allowed(status, actors)
        assert error.text
    else:
        assert step in allowed(status, actors)
        assert after is status or after in targets(status)


@given(st.lists(st.sampled_from(Step), max_size=40))
def test_staff_alone_never_close_a_ticket_as_rated(steps):
    status = Status.RESOLVED
    for step in steps:
        assert Step.RATE not in allowed(status, STAFF | {Actor.SYSTEM})
        if step in allowed(status, STAFF):
            status = check(step, status, STAFF)


def test_everything_has_a_chinese_name():
    assert set(STATUS_NAMES) == set(Status)
    assert set(STEP_NAMES) == set(Step)


@pytest.mark.parametrize("status", sorted(FINAL - {Status.CLOSED}))
def test_no_work_on_a_final_ticket(status):
    work = {Step.ACCEPT, Step.CONTACT, Step.RESOLVE, Step.TRANSFER, Step.ESCALATE, Step.NOTE}
    assert not work & allowed(status, EVERYBODY)
