"""Each message is answered once and in order, whatever dies in between."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from rasa.core.channels.channel import UserMessage
from sqlalchemy import func, select

from bot.channels import drain as drain_module
from bot.channels import tracker, turns
from bot.channels.drain import SORRY, Drain
from bot.channels.tracker import turn
from bot.channels.turns import ActionServerFailed
from bot.services import inbox, residents
from bot.services.inbox import Inbound
from bot.store.models import ChatMessage, InboxMessage, Resident
from tests.channels.dialogue import Dialogue, Killed, make_dialogue, replies
from tests.channels.house import until
from tests.databases import Database

START = dt.datetime(2026, 11, 24, 2, 0, tzinfo=dt.timezone.utc)
SENDER = "visitor-1"


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> dt.datetime:
        return self.at

    def after_the_lease(self) -> None:
        self.at += inbox.LEASE + dt.timedelta(seconds=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(drain_module, "now", clock)
    monkeypatch.setattr(tracker, "now", clock)
    return clock


@pytest.fixture
def dialogue(database: Database) -> Dialogue:
    return make_dialogue(database.url)


def put(database: Database, key: str, text: str, sender: str = SENDER, **more: object) -> int:
    message = Inbound("webchat", key, sender, text, **more)  # type: ignore[arg-type]
    return inbox.receive(database.factory, message, START).id


def said(database: Database, sender: str = SENDER) -> list[str]:
    """What the resident reads, in order."""
    with database.factory() as session:
        rows = session.scalars(
            select(ChatMessage)
            .join(Resident, Resident.id == ChatMessage.resident_id)
            .where(ChatMessage.direction == "out", Resident.external_id == sender)
            .order_by(ChatMessage.id)
        )
        return [row.body["text"] for row in rows]


def status(database: Database, inbox_id: int) -> str:
    return inbox.result(database.factory, inbox_id)[0]


def after_a_crash(dialogue: Dialogue, database: Database) -> Drain:
    """A new process: nothing is left but the database."""
    return Drain(
        Dialogue(dialogue.store, turns=dialogue.turns, effects=dialogue.effects), database.factory
    )


async def test_a_message_is_answered_and_done(database, dialogue, clock):
    number = put(database, "k1", "3号楼漏水")
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert inbox.result(database.factory, number) == ("done", replies("3号楼漏水"))
    assert said(database) == ["收到：3号楼漏水", "请核对"]
    turn = dialogue.turns[0]
    assert (turn.message_id, turn.input_channel, turn.sender_id) == (
        "webchat:k1",
        "webchat",
        SENDER,
    )


@pytest.mark.parametrize(
    "point",
    [
        "before the action",
        "after the action",
        "before the turn is saved",
        "after the turn is saved",
    ],
)
async def test_killed_during_the_turn_and_drained_again_gives_one_set_of_replies(
    database, dialogue, clock, point
):
    number = put(database, "k1", "3号楼漏水")
    dialogue.die_at = point
    with pytest.raises(Killed):
        await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert status(database, number) == "running"

    clock.after_the_lease()
    await after_a_crash(dialogue, database).drain("webchat", SENDER)
    assert inbox.result(database.factory, number) == ("done", replies("3号楼漏水"))
    assert said(database) == ["收到：3号楼漏水", "请核对"]
    assert dialogue.effects == {"webchat:k1"}
    assert len(dialogue.turns) == (1 if point == "after the turn is saved" else 2)


async def test_killed_before_the_replies_are_stored(database, dialogue, clock, monkeypatch):
    number = put(database, "k1", "3号楼漏水")

    def die(*_arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(drain_module.inbox, "finish", die)
        with pytest.raises(Killed):
            await Drain(dialogue, database.factory).drain("webchat", SENDER)

    clock.after_the_lease()
    await after_a_crash(dialogue, database).drain("webchat", SENDER)
    assert inbox.result(database.factory, number) == ("done", replies("3号楼漏水"))
    assert len(dialogue.turns) == 1


async def test_a_turn_is_read_back_without_what_came_after_it(database, dialogue, clock):
    for key, text in (("k1", "甲"), ("k2", "乙")):
        put(database, key, text)
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert turn(database.factory, SENDER, "webchat:k1") == replies("甲")
    assert turn(database.factory, SENDER, "webchat:k2") == replies("乙")
    assert turn(database.factory, SENDER, "webchat:k3") is None
    assert turn(database.factory, "visitor-2", "webchat:k1") is None


async def test_messages_of_one_sender_keep_their_order(database, dialogue, clock):
    for number in range(5):
        put(database, f"k{number}", f"第{number}条")
    drain = Drain(dialogue, database.factory)
    await asyncio.gather(*(drain.start("webchat", SENDER) for _ in range(5)))
    assert [turn.text for turn in dialogue.turns] == [f"第{number}条" for number in range(5)]


async def test_two_processes_do_not_run_one_message_twice(database, dialogue, clock):
    put(database, "k1", "甲")
    put(database, "k2", "乙")
    drains = [Drain(dialogue, database.factory), Drain(dialogue, database.factory)]
    await asyncio.gather(*(drain.start("webchat", SENDER) for drain in drains))
    assert sorted(turn.text for turn in dialogue.turns) == ["乙", "甲"]
    assert len(said(database)) == 4


async def test_a_try_that_was_too_slow_to_keep_its_message_saves_nothing(database, dialogue, clock):
    """Its process stood still past the lease, and another began anew: one turn counts, not two."""
    number = put(database, "k1", "甲")
    put(database, "k2", "乙")
    go_on, reached = asyncio.Event(), asyncio.Event()

    async def slow(message: UserMessage) -> None:
        reached.set()
        await go_on.wait()
        await dialogue(message)

    first = Drain(slow, database.factory).start("webchat", SENDER)
    await reached.wait()
    clock.after_the_lease()
    claimed = inbox.claim_next(database.factory, "webchat", SENDER, owner="other", now=clock())
    assert claimed.id == number and claimed.attempt == 2
    go_on.set()
    await first
    assert turn(database.factory, SENDER, "webchat:k1") is None
    assert (status(database, number), said(database)) == ("running", [])
    assert inbox.renew(database.factory, claimed, clock()), "the other one still has it"

    clock.after_the_lease()
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert said(database) == ["收到：甲", "请核对", "收到：乙", "请核对"]


async def test_neither_end_of_a_lost_try_changes_the_message(database, clock):
    number = put(database, "k1", "甲")
    claim = {"owner": "p", "now": clock()}
    lost = inbox.claim_next(database.factory, "webchat", SENDER, **claim)
    clock.after_the_lease()
    mine = inbox.claim_next(database.factory, "webchat", SENDER, **{**claim, "now": clock()})
    inbox.give_back(database.factory, lost, clock())
    assert not inbox.renew(database.factory, lost, clock())
    assert not inbox.finish(database.factory, lost, replies("甲"), clock())
    clock.at += inbox.LEASE / 2
    again = inbox.claim_next(database.factory, "webchat", SENDER, **{**claim, "now": clock()})
    assert again is None, "its lease was not shortened"
    assert inbox.finish(database.factory, mine, replies("乙"), clock())
    assert inbox.result(database.factory, number) == ("done", replies("乙"))


async def test_a_long_try_keeps_its_message(database, dialogue, clock, monkeypatch):
    """What a picture from a slow platform needs may take longer than the lease."""
    monkeypatch.setattr(drain_module, "RENEW_SECONDS", 0.001)
    renewed = asyncio.Event()
    renew = inbox.renew

    def noted(*arguments: object) -> bool:
        kept = renew(*arguments)  # type: ignore[arg-type]
        if arguments[-1] == clock.at:  # not one that began before the time went on
            loop.call_soon_threadsafe(renewed.set)
        return kept

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(drain_module.inbox, "renew", noted)

    async def long(message: UserMessage) -> None:
        clock.at += inbox.LEASE - dt.timedelta(seconds=1)
        renewed.clear()
        await renewed.wait()
        clock.at += dt.timedelta(seconds=2)
        claim = {"owner": "other", "now": clock()}
        assert inbox.claim_next(database.factory, "webchat", SENDER, **claim) is None
        await dialogue(message)

    put(database, "k1", "甲")
    await Drain(long, database.factory).drain("webchat", SENDER)
    assert said(database) == ["收到：甲", "请核对"]


async def test_a_conversation_that_cannot_be_read_ends_the_turn(database, dialogue, clock):
    """Rasa would begin a new conversation, and save this one in memory only."""
    number = put(database, "k1", "甲")
    dialogue.store.engine.dispose()
    broken = dialogue.store.sessionmaker
    dialogue.store.sessionmaker = None
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert status(database, number) == "running"
    assert not issubclass(turns.TrackerFailed, Exception), "Rasa catches every Exception"
    with pytest.raises(TypeError):
        await dialogue.store.retrieve(SENDER)

    dialogue.store.sessionmaker = broken
    clock.after_the_lease()
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert said(database) == ["收到：甲", "请核对"]


async def test_a_repeated_message_is_not_run_again(database, dialogue, clock):
    number = put(database, "k1", "甲")
    drain = Drain(dialogue, database.factory)
    await drain.drain("webchat", SENDER)
    again = inbox.receive(database.factory, Inbound("webchat", "k1", SENDER, "甲"), START)
    await drain.drain("webchat", SENDER)
    assert again.id == number and again.duplicate and again.replies == replies("甲")
    assert len(dialogue.turns) == 1


async def test_one_senders_trouble_does_not_stop_another(database, dialogue, clock):
    put(database, "k1", "甲")
    put(database, "k2", "乙", sender="visitor-2")
    dialogue.die_at = "before the action"
    drain = Drain(dialogue, database.factory)
    with pytest.raises(Killed):
        await drain.drain("webchat", SENDER)
    await drain.drain("webchat", "visitor-2")
    assert said(database, "visitor-2") == ["收到：乙", "请核对"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), ActionServerFailed("down")])
async def test_a_failed_turn_is_tried_again_and_then_answered(database, dialogue, clock, error):
    number = put(database, "k1", "甲")
    dialogue.fail = error
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert status(database, number) == "running" and said(database) == []

    dialogue.fail = None
    clock.after_the_lease()
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert said(database) == ["收到：甲", "请核对"]


async def test_what_fails_each_time_gets_an_answer_in_the_end(database, dialogue, clock):
    number = put(database, "k1", "甲")
    put(database, "k2", "乙")
    dialogue.fail = RuntimeError("broken")
    for _ in range(inbox.MAX_ATTEMPTS):
        await Drain(dialogue, database.factory).drain("webchat", SENDER)
        clock.after_the_lease()
    assert said(database)[0] == SORRY
    assert status(database, number) == "done"
    assert len(dialogue.turns) > inbox.MAX_ATTEMPTS, "the message behind it had its turn"


async def test_what_kills_its_process_each_time_gets_an_answer_in_the_end(
    database, dialogue, clock
):
    put(database, "k1", "甲")
    for _ in range(inbox.MAX_ATTEMPTS):
        dialogue.die_at = "before the action"
        with pytest.raises(Killed):
            await Drain(dialogue, database.factory).drain("webchat", SENDER)
        clock.after_the_lease()
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert said(database) == [SORRY]
    assert len(dialogue.turns) == inbox.MAX_ATTEMPTS


async def test_a_turn_that_says_nothing_is_still_answered(database, dialogue, clock):
    put(database, "k1", "甲")
    dialogue.silent = True
    await Drain(dialogue, database.factory).drain("webchat", SENDER)
    assert said(database) == [SORRY]


async def test_a_deleted_residents_conversation_is_deleted_with_the_turn_that_asked_for_it(
    database, dialogue, clock
):
    put(database, "k0", "别人的话", sender="visitor-2")
    put(database, "k1", "删除我的数据")
    drain = Drain(dialogue, database.factory)
    await drain.drain("webchat", "visitor-2")
    answer = dialogue.__call__

    async def forgetting(message: UserMessage) -> None:
        with database.factory() as session:
            query = select(Resident.id).where(Resident.external_id == SENDER)
            resident_id = session.scalars(query).one()
        residents.forget(database.factory, resident_id, START)
        await answer(message)

    await Drain(forgetting, database.factory).drain("webchat", SENDER)
    assert await dialogue.store.retrieve(SENDER) is None
    assert await dialogue.store.retrieve("visitor-2") is not None
    put(database, "k2", "你好")
    await drain.drain("webchat", SENDER)
    assert [turn.text for turn in dialogue.turns] == ["别人的话", "删除我的数据", "你好"]
    assert said(database) == ["收到：你好", "请核对"]


async def test_a_turn_that_hangs_is_given_up_before_its_lease_ends(database, clock, monkeypatch):
    assert inbox.LEASE.total_seconds() > drain_module.TURN_SECONDS
    monkeypatch.setattr(drain_module, "TURN_SECONDS", 0.05)

    async def hang(_message: object) -> None:
        await asyncio.Event().wait()

    number = put(database, "k1", "甲")
    await Drain(hang, database.factory).drain("webchat", SENDER)
    assert status(database, number) == "running"
    with database.factory() as session:
        assert session.scalar(select(func.count(ChatMessage.id))) == 1, (
            "only what the resident said"
        )


async def test_turns_beyond_the_limit_wait_unclaimed_and_are_queued_once(
    database, clock, monkeypatch
):
    monkeypatch.setattr(drain_module, "TURNS", 2)
    gate, running = asyncio.Event(), []

    async def slow(message: UserMessage) -> None:
        running.append(message.sender_id)
        await gate.wait()

    senders = [f"visitor-{n}" for n in range(4)]
    for sender in senders:
        put(database, f"k-{sender}", "甲", sender=sender)
    drain = Drain(slow, database.factory)
    tasks = [drain.start("webchat", sender) for sender in senders]
    await until(lambda: len(running) == 2)
    assert drain.start("webchat", "visitor-3") is tasks[3]
    with database.factory() as session:
        claimed = select(func.count(InboxMessage.id)).where(InboxMessage.status == "running")
        assert session.scalar(claimed) == 2  # no lease runs out while its message only waits
    gate.set()
    await asyncio.gather(*tasks)
    assert sorted(running) == senders
