"""The held-out sentences: complete, of the agreed size, and truly apart from the training data."""

import unicodedata
from collections import Counter

from bench.heldout import every_text, labelled, load
from bot.commands.train import train
from bot.settings import ROOT
from bot.training.corpus import read_corpus

MATTERS = {
    "housing",
    "medical",
    "employment",
    "elderly_care",
    "education",
    "dispute",
    "family_crisis",
    "emergency",
    "other_service",
}


def bare(text: str) -> str:
    """Letters and digits only, in one width and case."""
    text = unicodedata.normalize("NFKC", text).lower()
    return "".join(char for char in text if unicodedata.category(char)[0] in "LN")


def trained_labels() -> set[str]:
    return {sentence.intent for sentence in read_corpus(ROOT / "data" / "nlu")}


def test_every_item_has_at_least_five_sentences():
    counts = Counter(label for _, label in labelled("items"))
    assert sum(counts.values()) >= 650
    assert min(counts.values()) >= 5
    assert {label.split("/")[0] for label in counts} == MATTERS


def test_every_talk_intent_has_at_least_eight_sentences():
    counts = Counter(label for _, label in labelled("talk"))
    assert sum(counts.values()) >= 250
    assert min(counts.values()) >= 8


def test_every_label_that_is_trained_is_held_out_and_no_other():
    held = {label for name in ("items", "talk") for _, label in labelled(name)}
    assert held == trained_labels()


def test_dangers_and_what_sounds_like_them():
    groups = load("urgency")
    assert len(groups["danger"]) >= 120
    assert len(groups["not_danger"]) >= 200
    assert all(isinstance(text, str) for group in groups.values() for text in group)


def test_messages_with_two_matters_and_with_one():
    groups = load("two_matters")
    assert len(groups["two"]) >= 60
    assert len(groups["one"]) >= 60
    assert all(len(set(row["items"])) == 2 for row in groups["two"])
    assert all(len(row["items"]) == 1 for row in groups["one"])
    used = {item for group in groups.values() for row in group for item in row["items"]}
    assert used <= {label for _, label in labelled("items")}


def test_single_matters_carry_the_words_that_mislead():
    for row in load("two_matters")["one"]:
        assert any(word in row["text"] for word in ("另外", "还有", "而且")), row["text"]


def test_plain_sentences_cover_all_matters_and_much_talk():
    rows = load("robustness")["sentences"]
    intents = {row["intent"] for row in rows}
    assert len(rows) >= 200
    assert intents >= MATTERS
    assert len(intents - MATTERS) >= 15


def test_no_sentence_stands_twice():
    counts = Counter(bare(text) for text in every_text())
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_sentence_is_trained_on():
    trained = {bare(sentence.text) for sentence in read_corpus(ROOT / "data" / "nlu")}
    assert [text for text in every_text() if bare(text) in trained] == []


def test_training_reads_no_held_out_sentence(monkeypatch):
    import sys

    import rasa.__main__

    called = []
    monkeypatch.setattr(rasa.__main__, "main", lambda: called.append(list(sys.argv)))
    monkeypatch.setattr(sys, "argv", ["bot", "train"])
    monkeypatch.setattr("bot.commands.train.prepare", lambda settings: None)
    monkeypatch.setattr("bot.commands.train.ensure_secrets", lambda: None)
    train()
    sources = called[0][called[0].index("--data") + 1 :]
    assert sources
    for source in sources:
        assert not (ROOT / "data" / "regression").is_relative_to((ROOT / source).resolve())
