"""The training set goes out as Rasa YAML, comes back in, and is checked before training."""

import datetime as dt

import pytest

from bot.domain.errors import BadInput
from bot.training import exchange, labels, validate
from bot.training.corpus import Sentence
from tests.integration.test_labels import hear, staff_with

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.timezone.utc)


@pytest.fixture
def taught(sqlite_database):
    """A database with thirty labels, some of them held back."""
    staff = staff_with(sqlite_database, "dispatcher")
    for number in range(30):
        message = hear(sqlite_database, number, f"楼下充电桩第{number}个坏了没人修")
        span = {"start": 0, "end": 2, "entity": "place"}
        labels.vote(
            sqlite_database.factory, staff, [message], "housing/parking", NOW, entities=[span]
        )
    return sqlite_database


def test_export_holds_the_corpus_and_the_labels_that_train(taught, tmp_path):
    counts = exchange.export(taught.factory, tmp_path)
    rows = exchange.sentences(tmp_path)
    texts = {row.text for row in rows}
    with taught.factory() as session:
        held = exchange.approved(session, held_back=True)
        train = exchange.approved(session, held_back=False)
    assert held and train and len(held) + len(train) == 30
    assert counts["labels"] == len(train)
    assert {example.marked() for example in train} <= texts
    assert not {example.marked() for example in held} & texts


def test_rasa_reads_what_we_export(taught, tmp_path):
    from rasa.shared.nlu.training_data.loading import load_data

    exchange.export(taught.factory, tmp_path)
    loaded = load_data(str(tmp_path / exchange.APPROVED))
    assert {e.get_full_intent() for e in loaded.intent_examples} == {"housing/parking"}
    assert all(e.get("entities")[0]["value"] == "楼下" for e in loaded.entity_examples)


def test_an_exported_file_can_be_imported_elsewhere_and_only_once(
    taught, tmp_path, sqlite_template
):
    import shutil

    from tests.databases import connect

    exchange.export(taught.factory, tmp_path / "out")
    shutil.copy(sqlite_template, tmp_path / "other.db")
    other = connect("sqlite", f"sqlite:///{tmp_path / 'other.db'}")
    file = tmp_path / "out" / exchange.APPROVED
    with taught.factory() as session:
        train = exchange.approved(session, held_back=False)
    assert exchange.import_file(other.factory, file, NOW) == len(train)
    assert exchange.import_file(other.factory, file, NOW) == 0
    with other.factory() as session:
        assert exchange.approved(session, held_back=False) == train
    other.engine.dispose()


def test_an_import_with_unknown_intents_changes_nothing(sqlite_database, tmp_path):
    file = tmp_path / "x.yml"
    file.write_text(
        'version: "3.1"\nnlu:\n- intent: nosuch\n  examples: |\n    - 你好呀\n', "utf-8"
    )
    with pytest.raises(BadInput, match="nosuch"):
        exchange.import_file(sqlite_database.factory, file, NOW)


def test_contradictions_stop_training_and_say_the_mend():
    rows = [Sentence("水管漏水", "housing/leak_repair", "a.yml")] * 9
    rows.append(Sentence("水管漏水", "dispute/neighbour_leak", exchange.APPROVED))
    problems = validate.check(rows)
    assert problems[0].stops and "水管漏水" in problems[0].text and problems[0].mend
    assert any("dispute/neighbour_leak 只有 1 句" in p.text for p in problems)


def test_near_duplicates_across_intents_are_named():
    rows = [
        Sentence("家里水管漏水了怎么办", "housing/leak_repair", "a.yml"),
        Sentence("家里水管漏水了怎么办？", "dispute/neighbour_leak", exchange.APPROVED),
    ]
    assert any("几乎一样" in problem.text for problem in validate.check(rows))


def test_the_corpus_itself_can_be_trained_on(sqlite_database, tmp_path):
    exchange.export(sqlite_database.factory, tmp_path)
    assert not [p for p in validate.check(exchange.sentences(tmp_path)) if p.stops]
