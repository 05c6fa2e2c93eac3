"""The corpus centre in a browser without a screen: who gets in, labels, jobs, reports."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.services import clock
from bot.store.models_training import Label, ModelVersion, TrainingJob
from bot.training import gate, jobs
from tests.databases import Database
from tests.desk_client import HTMX, Browser, browser, desk
from tests.integration.test_labels import NOW, hear, label_of, staff_with
from tests.integration.test_switch import enter_model, report_of

PAGES = ("/desk/corpus", "/desk/corpus/undecided", "/desk/corpus/topics", "/desk/corpus/models")


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture
async def server(database: Database, tmp_path: Path):
    async with desk(database, tmp_path, models_dir=tmp_path / "models") as served:
        yield served


@pytest.fixture
async def worker(server, database) -> AsyncIterator[Browser]:
    async with browser(server, staff_with(database, "dispatcher").key) as found:
        yield found


@pytest.mark.parametrize("path", PAGES)
async def test_each_page_opens_for_dispatchers_and_not_for_others(server, worker, database, path):
    await worker.get(path)
    async with browser(server, staff_with(database, "building_head").key) as other:
        assert "语料中心由" in await other.get(path, 403)


async def test_two_taps_label_and_one_more_undoes(worker, database):
    message = hear(database, 1, "充电桩老跳闸，电话13812345678", confidence=0.4)
    page = await worker.get("/desk/corpus")
    assert "充电桩老跳闸" in page and "13812345678" not in page
    sent = {"id": str(message), "intent": "housing/power_supply"}
    answer = await worker.send("/desk/corpus/label", sent, headers=HTMX)
    words = await answer.text()
    assert answer.status == 200 and "已标：住房" in words and "撤销" in words
    assert label_of(database, message).intent == "housing/power_supply"
    batch = words.split('name="batch" value="')[1].split('"')[0]
    await worker.send("/desk/corpus/undo", {"batch": batch}, headers=HTMX)
    assert label_of(database, message) is None


async def test_without_the_form_token_nothing_is_labelled(worker, database):
    message = hear(database, 1, "水管漏水")
    await worker.get("/desk/corpus")
    worker.token = "wrong"
    answer = await worker.send("/desk/corpus/label", {"id": str(message), "intent": "greet"})
    assert answer.status == 403 and label_of(database, message) is None


async def test_a_whole_topic_is_labelled_in_one_go(worker, database):
    for number in range(3):
        hear(database, number, f"共享单车乱停乱放{number}", confidence=0.2, outcome="fallback")
    page = await worker.get("/desk/corpus/topics")
    ids = [part.split('"')[0] for part in page.split('name="id" value="')[1:]]
    assert len(ids) == 3
    fields = [("id", number) for number in ids] + [("intent", "other_service/traffic")]
    assert (await worker.send("/desk/corpus/label", fields)).status == 303
    with database.factory() as session:
        assert set(session.scalars(select(Label.status))) == {"approved"}


async def test_training_is_queued_once_and_can_be_cancelled(worker, database):
    await worker.get("/desk/corpus/models")
    assert (await worker.send("/desk/corpus/train", {"seed": "7"})).status == 303
    assert (await worker.send("/desk/corpus/train")).status == 409
    assert "取消训练" in await worker.get("/desk/corpus/models")
    with database.factory() as session:
        job = session.scalars(select(TrainingJob)).one()
    assert (job.status, job.seed) == ("queued", 7)
    await worker.send(f"/desk/corpus/jobs/{job.id}/cancel")
    with database.factory() as session:
        assert session.get(TrainingJob, job.id).status == "cancelled"


async def test_progress_is_streamed_until_the_job_ends(worker, database):
    staff = staff_with(database, "dispatcher")
    job_id = jobs.ask_training(database.factory, staff, 1, clock.now())
    _, token = jobs.claim(database.factory, clock.now())
    jobs.report(database.factory, job_id, token, "学习中", 40)
    async with worker.client.get(f"/desk/corpus/jobs/{job_id}/stream") as stream:
        first = await stream.content.readuntil(b"\n\n")
        assert b"event: progress" in first
        assert json.loads(first.split(b"data: ")[1])["progress"] == 40
        with database.factory.begin() as session:
            jobs.end(session, job_id, token, "failed", clock.now(), error="语料有矛盾")
        last = await stream.content.readuntil(b"\n\n")
        assert b"event: end" in last and "语料有矛盾" in last.decode()
    assert "语料有矛盾" in await worker.get("/desk/corpus/models")


async def test_the_report_is_a_page_with_plots_and_json(worker, database, tmp_path):
    report = report_of("red")
    model_id = enter_model(database, tmp_path, "bad.tar.gz", report)
    page = await worker.get(f"/desk/corpus/models/{model_id}")
    assert "体检未通过" in page and "住房" in page and "<svg" in page and "混淆矩阵" in page
    assert gate.summary(report).split("；")[0] in page
    assert "不能换上" in page
    text = await worker.get(f"/desk/corpus/models/{model_id}/report.json")
    assert json.loads(text)["report"]["reasons"] == report["reasons"]
    await worker.get("/desk/corpus/models/99999", 404)


async def test_shadowing_shows_how_often_the_models_disagree(worker, database, tmp_path):
    from bot.store.models_training import ShadowSample

    model_id = enter_model(database, tmp_path, "new.tar.gz", report_of("green"))
    await worker.get("/desk/corpus/models")
    sent = {"minutes": "10"}
    assert (await worker.send(f"/desk/corpus/models/{model_id}/shadow", sent)).status == 303
    assert (await worker.send(f"/desk/corpus/models/{model_id}/shadow", sent)).status == 409
    with database.factory() as session:
        job_id = session.scalars(select(TrainingJob.id)).one()
    for number, candidate in enumerate(("housing/lift", "dispute/pets")):
        message = hear(database, number, f"电梯坏了{number}")
        with database.factory.begin() as session:
            session.add(
                ShadowSample(
                    job_id=job_id,
                    utterance_id=message,
                    live_intent="housing/lift",
                    live_confidence=0.9,
                    candidate_intent=candidate,
                    candidate_confidence=0.8,
                    at=NOW,
                )
            )
    page = await worker.get(f"/desk/corpus/models/{model_id}")
    assert "旁听 2 条，看法不同 1 条" in page and "电梯坏了1" in page
    with database.factory() as session:
        assert session.get(ModelVersion, model_id).verdict == "green"


async def test_a_sentence_is_tried_on_both_models_and_not_kept(
    worker, database, tmp_path, monkeypatch
):
    from sqlalchemy import func

    from bot.desk.admin.trial import Room
    from bot.store.models import Utterance

    async def ask(self, live, candidate, text):
        assert (live.name, candidate.name, text) == ("old.tar.gz", "new.tar.gz", "电梯坏了")
        read = {"confidence": 0.9, "danger": False}
        return {
            "live": {"intent": "greet", **read},
            "candidate": {"intent": "housing/lift", **read},
        }

    monkeypatch.setattr(Room, "ask", ask)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "old.tar.gz").write_bytes(b"old")
    model_id = enter_model(database, tmp_path, "new.tar.gz", report_of("green"))
    await worker.get(f"/desk/corpus/models/{model_id}")
    answer = await worker.send(
        f"/desk/corpus/models/{model_id}/try", {"text": "电梯坏了"}, headers=HTMX
    )
    words = await answer.text()
    assert "打招呼" in words and "住房" in words
    with database.factory() as session:
        assert session.scalar(select(func.count(Utterance.id))) == 0


async def test_the_models_page_tells_what_is_live_and_who_switched(worker, database, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "old.tar.gz").write_bytes(b"old")
    enter_model(database, tmp_path, "new.tar.gz", report_of("green"))
    page = await worker.get("/desk/corpus/models")
    assert "old.tar.gz" in page and "人工训练" in page and "体检通过" in page
    assert "换回上一个模型" not in page  # there is none


async def test_who_labelled_what_is_shown_to_the_second_reader(worker, database):
    from bot.training import labels

    other = staff_with(database, "street_desk")
    message = hear(database, 1, "楼上吵")
    labels.vote(database.factory, other, [message], "dispute/neighbour_noise", NOW, ask_second=True)
    page = await worker.get("/desk/corpus/undecided")
    assert "楼上吵" in page and other.name in page and "请您再看一眼" in page
