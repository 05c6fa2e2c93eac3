"""The whole loop of retraining in a phone's browser, on the real processes."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select, update

from bot.store.models import Utterance
from bot.store.models_training import Label, ModelVersion, ShadowSample, TrainingJob
from tests.databases import Database
from tests.desk_client import PASSWORD
from tests.integration.test_labels import staff_with
from tests.stack import TOKEN, Stack, get

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(900)]
Shot = Callable[[Page, str], None]
# A word that only this community uses: no model can know it.
WORD = "蓝精灵驿站"
ASKED = f"{WORD}今天怎么又锁着"
TAILS = (
    "锁着",
    "没开门",
    "又锁了",
    "什么时候开",
    "满了没人管",
    "坏了",
    "进不去",
    "打不开",
    "臭得很",
    "该清了",
)
RIGHT = "other_service/environment"
MESSAGES = [f"{WORD}{place}{tail}" for place in ("", "东门那个", "楼下那个") for tail in TAILS]


@pytest.fixture
def stack(sqlite_database: Database, tmp_path: Path, trained_model: Path) -> Iterator[Stack]:
    """All four processes, on a copy of the trained model."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(trained_model, models)
    made = Stack(tmp_path / "var", sqlite_database.url, LINLI_MODELS_DIR=str(models))
    try:
        yield made.start()
    finally:
        end_jobs(sqlite_database)
        made.stop()


def end_jobs(database: Database) -> None:
    """Job processes outlive the worker: end them, and see them gone."""
    with database.factory.begin() as session:
        session.execute(update(TrainingJob).values(cancel_requested=True))
    running = select(TrainingJob.id).where(TrainingJob.status == "running")

    def gone() -> bool:
        with database.factory() as session:
            return session.scalars(running).first() is None

    until(gone, 30)


def read(stack: Stack, text: str) -> str:
    """Intent and item that the live model gives a text."""
    request = urllib.request.Request(
        f"{stack.rasa_url}/model/parse?token={TOKEN}",
        json.dumps({"text": text}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        parse = json.load(answer)
    return f"{parse['intent']['name']}/{(parse.get('service_item') or {}).get('name')}"


def served(stack: Stack) -> str:
    """The archive that Rasa serves."""
    return Path(json.loads(get(f"{stack.rasa_url}/status?token={TOKEN}")[1])["model_file"]).name


def count(database: Database, column: object) -> int:
    with database.factory() as session:
        return session.scalar(select(func.count(column))) or 0


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for what another process does; nothing announces it here."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def log_in(page: Page, stack: Stack, name: str) -> None:
    page.goto(f"{stack.desk_url}/desk")
    page.get_by_label("用户名").fill(name)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.get_by_label("实时连接正常")).to_be_visible()


def label_all(page: Page, stack: Stack, intent: str) -> None:
    """Label page after page until the queue is empty: a tap or two a message."""
    while True:
        page.goto(f"{stack.desk_url}/desk/corpus")
        if page.get_by_text("都标完了").is_visible():
            return
        waiting = page.locator("#cards [data-card]")
        for _ in range(waiting.count()):
            left = waiting.count()
            card = waiting.first
            guess = card.locator(f'button[value="{intent}"]')
            if guess.count():
                guess.click()
            else:
                card.locator("summary").click()
                card.locator("select").select_option(intent)
                card.get_by_role("button", name="就标这个").click()
            expect(waiting).to_have_count(left - 1)


def test_messages_are_labelled_a_model_is_trained_judged_shadowed_promoted_and_taken_back(
    stack: Stack, sqlite_database: Database, phone: Callable[[], Page], shot: Shot
):
    database, page = sqlite_database, phone()
    before, old = read(stack, ASKED), served(stack)
    # What the word means is ours to say: something else than the model makes of it now.
    right = "other_service/road" if before == RIGHT else RIGHT
    for number, text in enumerate(MESSAGES):
        assert stack.say(f"r{number}", text)
    assert count(database, Utterance.id) == 30

    log_in(page, stack, staff_with(database, "dispatcher").key)
    page.goto(f"{stack.desk_url}/desk/me")
    page.get_by_role("link", name="语料中心").click()
    expect(page.get_by_text("待标 30 条")).to_be_visible()
    shot(page, "corpus-queue")
    page.wait_for_load_state()  # no key is heard before the scripts are there
    page.keyboard.press("s")  # the keyboard works too: skip, and take it back
    expect(page.get_by_text("已跳过")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text("已撤销1条")).to_be_visible()
    label_all(page, stack, right)
    assert count(database, Label.id) == 30

    page.goto(f"{stack.desk_url}/desk/corpus/models")
    page.get_by_role("button", name="训练", exact=True).click()
    expect(page.locator("[data-stage]")).to_contain_text("学习中", timeout=60_000)
    shot(page, "corpus-training")
    page.wait_for_url("**/desk/corpus/models/*", timeout=600_000)  # the page goes there by itself
    # With all that stands below it: a failure tells what the gate had against the model.
    expect(page.locator(".head", has=page.get_by_role("heading"))).to_contain_text("体检通过")
    expect(page.get_by_role("heading", name="体检通过")).to_be_visible()
    expect(page.locator("#summary")).to_contain_text("新模型")
    shot(page, "corpus-report")
    with database.factory() as session:
        new = session.scalars(select(ModelVersion).order_by(ModelVersion.id.desc())).first()
    assert new.counts["labels"] + len([text for text in MESSAGES if held_back(text)]) == 30

    page.get_by_role("button", name="开始旁听").click()
    until(lambda: "旁听中" in stage(database), 120)
    assert stack.say("shadowed", ASKED)
    until(lambda: count(database, ShadowSample.id) >= 1, 60)
    page.reload()
    expect(page.get_by_text("看法不同 1 条")).to_be_visible()
    assert served(stack) == old and read(stack, ASKED) == before

    page.get_by_role("button", name="换上", exact=True).click()
    expect(page.get_by_text("已换上新模型")).to_be_visible(timeout=30_000)
    assert served(stack) == new.name and read(stack, ASKED) == right
    until(lambda: stage(database) == "已取消", 30)  # nothing is left to be shadowed
    assert stack.say("next", ASKED)
    shot(page, "corpus-models")

    started = time.monotonic()
    page.get_by_role("button", name="换回上一个模型").click()
    expect(page.get_by_text("已换回上一个模型")).to_be_visible(timeout=10_000)
    assert time.monotonic() - started < 10
    assert served(stack) == old and read(stack, ASKED) == before


def held_back(text: str) -> bool:
    from bot.training.labels import is_held_back

    return is_held_back(text)


def stage(database: Database) -> str:
    with database.factory() as session:
        return str(
            session.scalars(select(TrainingJob.stage).order_by(TrainingJob.id.desc())).first()
        )
