"""Promotion and roll-back on several Rasa processes, cut short at any place; pruning; the watch."""

import datetime as dt
import os
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from bot.domain.errors import BadInput, NotAllowed, WrongState
from bot.services import clock
from bot.store.models_training import ModelVersion, Promotion
from bot.training import registry, switch, watch
from bot.training.cases import Case
from bot.training.gate import judge
from tests.desk_server import make_settings
from tests.integration.test_labels import hear, staff_with


class Fixed:
    """A parser that says of every text what it is told."""

    def __init__(self, answers):
        self.answers = answers

    def parse(self, texts):
        return [
            {"intent": {"name": name, "confidence": 0.9}, "urgency": danger}
            for name, danger in (self.answers[text] for text in texts)
        ]


def report_of(verdict):
    """A report of the real gate on forty sentences."""
    texts = [f"第{n}句" for n in range(40)]
    cases = [Case(text, "housing" if n < 20 else "medical") for n, text in enumerate(texts)]
    right = {c.text: (c.intent, "normal") for c in cases}
    wrong = {t: (("medical" if verdict == "red" else i), d) for t, (i, d) in right.items()}
    return judge(cases, Fixed(right), Fixed(wrong))


def enter_model(database, folder, name, report=None):
    path = folder / "candidates" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(os.urandom(64))
    with database.factory.begin() as session:
        return registry.add(session, path, registry.Made(seed=1), report, clock.now()).id


class Rasa:
    """A Rasa process as far as switching knows it."""

    def __init__(self):
        self.model, self.loads, self.refuses = "", 0, ""

    async def put_model(self, request):
        from pathlib import Path

        name = Path((await request.json())["model_file"]).name
        if self.refuses and self.refuses in name:
            return web.json_response({"reason": "bad"}, status=400)
        self.model, self.loads = name, self.loads + 1
        return web.Response(status=204)

    async def status(self, request):
        return web.json_response({"model_file": self.model})

    @asynccontextmanager
    async def served(self):
        app = web.Application()
        app.router.add_put("/model", self.put_model)
        app.router.add_get("/status", self.status)
        async with TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")


class Bench:
    """A database, two Rasa processes, an old model that is live and a new one that is not."""


@pytest.fixture
async def bench(sqlite_database, tmp_path):
    made = Bench()
    made.database, made.folder = sqlite_database, tmp_path
    made.first, made.second = Rasa(), Rasa()
    async with made.first.served() as one, made.second.served() as two:
        made.config = make_settings(
            tmp_path, sqlite_database, models_dir=tmp_path / "models", rasa_urls=f"{one},{two}"
        )
        made.config.models_dir.mkdir(exist_ok=True)
        (made.config.models_dir / "old.tar.gz").write_bytes(b"old")
        made.old = registry.adopt(sqlite_database.factory, made.config, clock.now())
        made.new = enter_model(sqlite_database, tmp_path, "new.tar.gz", report_of("green"))
        made.staff = staff_with(sqlite_database, "dispatcher")
        async with aiohttp.ClientSession() as http:
            made.at = (sqlite_database.factory, http, made.config)
            yield made


def live(bench):
    return registry.live_file(bench.config).name


def switches(bench):
    with bench.database.factory() as session:
        return session.execute(
            select(Promotion.kind, Promotion.status).order_by(Promotion.id)
        ).all()


async def test_promotion_reaches_every_process_and_roll_back_returns(bench):
    done = await switch.promote(*bench.at, bench.staff, bench.new)
    assert done.done and live(bench) == "new.tar.gz"
    assert bench.first.model == bench.second.model == "new.tar.gz"
    back = await switch.roll_back(*bench.at, bench.staff)
    assert back.done and back.seconds < 10 and live(bench) == "old.tar.gz"
    assert bench.first.model == bench.second.model == "old.tar.gz"
    assert switches(bench) == [("found", "done"), ("promote", "done"), ("rollback", "done")]
    again = await switch.roll_back(*bench.at, bench.staff)  # and forward again, by the same tap
    assert again.done and live(bench) == "new.tar.gz"


async def test_a_red_model_needs_an_arbiter_and_a_reason(bench):
    red = enter_model(bench.database, bench.folder, "red.tar.gz", report_of("red"))
    secretary = staff_with(bench.database, "community_secretary")
    with pytest.raises(NotAllowed):
        await switch.promote(*bench.at, bench.staff, red, "我觉得可以")
    with pytest.raises(BadInput):
        await switch.promote(*bench.at, secretary, red, " ")
    assert live(bench) == "old.tar.gz"
    assert (await switch.promote(*bench.at, secretary, red, "住房类已停办")).done
    with bench.database.factory() as session:
        last = session.scalars(select(Promotion).order_by(Promotion.id.desc())).first()
        assert (last.reason, last.member_id) == ("住房类已停办", secretary.id)


async def test_an_archive_that_rasa_refuses_leaves_everything_as_it_was(bench):
    bench.second.refuses = "new"
    done = await switch.promote(*bench.at, bench.staff, bench.new)
    assert not done.done and live(bench) == "old.tar.gz"
    assert bench.first.model == bench.second.model == "old.tar.gz"
    assert switches(bench)[-1] == ("promote", "failed")


async def test_a_changed_file_is_never_loaded(bench):
    (bench.folder / "candidates" / "new.tar.gz").write_bytes(b"other")
    with pytest.raises(WrongState):
        await switch.promote(*bench.at, bench.staff, bench.new)
    assert live(bench) == "old.tar.gz"


@pytest.mark.parametrize("placed", [False, True])
async def test_a_switch_cut_short_is_finished_by_the_worker(bench, placed, monkeypatch):
    with bench.database.factory.begin() as session:
        model = session.get(ModelVersion, bench.new)
        _, path = switch._enter(session, bench.config, model, "promote", bench.staff.id, "")
    if placed:
        registry.put_live(bench.config, path)
    later = clock.now() + dt.timedelta(minutes=5)
    monkeypatch.setattr(switch, "clock_now", lambda: later)
    bench.first.model = bench.second.model = "old.tar.gz"
    await switch.reconcile(*bench.at)
    assert live(bench) == bench.first.model == bench.second.model == "new.tar.gz"
    assert switches(bench)[-1] == ("promote", "done")


async def test_a_process_that_comes_back_with_the_old_model_is_brought_along(bench):
    await switch.promote(*bench.at, bench.staff, bench.new)
    bench.second.model = "old.tar.gz"
    await switch.reconcile(*bench.at)
    assert bench.second.model == "new.tar.gz"
    loads = bench.first.loads
    await switch.reconcile(*bench.at)
    assert bench.first.loads == loads  # nobody is told twice


async def test_a_model_trained_by_hand_is_entered_when_it_is_served(bench):
    target = bench.config.models_dir / "hand.tar.gz"
    target.write_bytes(b"hand")
    os.utime(target, ns=(1 << 62, 1 << 62))
    await switch.reconcile(*bench.at)
    assert bench.first.model == "hand.tar.gz"
    assert switches(bench)[-1] == ("found", "done")


async def test_it_goes_back_by_itself_when_residents_are_understood_less(bench, monkeypatch):
    start = clock.now() - dt.timedelta(days=2)
    for number in range(100):
        outcome = "fallback" if number < 8 else "ticket"
        hear(bench.database, number, f"话{number}", outcome=outcome, at=start)
    await switch.promote(*bench.at, bench.staff, bench.new)
    after = clock.now() + dt.timedelta(seconds=1)
    later = after + dt.timedelta(hours=1)
    monkeypatch.setattr(watch, "clock_now", lambda: later)
    for number in range(100, 140):
        outcome = "fallback" if number < 103 else "ticket"
        hear(bench.database, number, f"话{number}", outcome=outcome, at=after)
    assert not await watch.watch(*bench.at)  # 3 of 40 is no worse than 8 of 100
    for number in range(140, 160):
        hear(bench.database, number, f"话{number}", outcome="fallback", at=after)
    assert await watch.watch(*bench.at)
    assert live(bench) == bench.first.model == "old.tar.gz"
    assert switches(bench)[-1] == ("automatic", "done")
    assert not await watch.watch(*bench.at)


def test_pruning_keeps_the_newest_the_live_and_those_lately_live(sqlite_database, tmp_path):
    config = make_settings(tmp_path, sqlite_database, models_dir=tmp_path / "models")
    ids = [enter_model(sqlite_database, tmp_path, f"m{n}.tar.gz") for n in range(8)]
    now = clock.now()
    with sqlite_database.factory.begin() as session:
        session.get(ModelVersion, ids[0]).last_live_at = now - dt.timedelta(days=89)
        session.get(ModelVersion, ids[1]).last_live_at = now - dt.timedelta(days=91)
    registry.put_live(config, tmp_path / "candidates" / "m2.tar.gz")
    gone = registry.prune(sqlite_database.factory, config, 3, now)
    assert sorted(gone) == ["m1.tar.gz", "m3.tar.gz", "m4.tar.gz"]
    left = sorted(p.name for p in (tmp_path / "candidates").iterdir())
    assert left == [f"m{n}.tar.gz" for n in (0, 2, 5, 6, 7)]
    assert registry.live_file(config).name == "m2.tar.gz"


def test_intervals_and_tests_of_the_gate_are_the_textbook_ones():
    from bot.training import compare

    assert compare.chance_of_loss(0, 5) == pytest.approx(1 / 32)
    assert compare.chance_of_loss(5, 0) == 1.0
    better = np.array([True] * 50 + [False] * 50)
    low, high = compare.interval(np.zeros(100, bool), better)
    assert 0.38 < low < 0.45 and 0.55 < high < 0.62
