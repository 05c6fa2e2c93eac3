"""The scores of `python -m bot evaluate`, as their definition says."""

import json

import pytest

from bot.training.corpus import Sentence
from bot.training.corpus_check import check
from bot.training.evaluate import evaluate, read_rows


class FakeModel:
    """Reads every text as the intent of the same name."""

    def parse(self, texts):
        return [{"intent": {"name": text, "confidence": 0.9}} for text in texts]


def test_scores():
    rows = [
        {"text": "housing", "label": "housing"},
        {"text": "dispute", "label": "housing", "accept": ["housing", "dispute"]},
        {"text": "family_crisis", "label": "dispute", "accept": ["dispute"]},
        {"text": "other_service", "label": "other"},
        {"text": "greet", "label": "chitchat"},
        {"text": "medical", "label": "oos"},
    ]
    scores = evaluate(rows, FakeModel())
    assert scores["n"] == 6
    assert scores["primary"] == pytest.approx(3 / 6, abs=1e-3)
    assert scores["accept"] == pytest.approx(5 / 6, abs=1e-3)
    assert scores["false_ticket_rate"] == pytest.approx(1 / 2)
    assert scores["confusion"]["dispute"] == {"other": 1}
    assert set(scores) >= {"macro_f1", "per_label", "ece"}


def test_asking_back_opens_no_ticket():
    scores = evaluate([{"text": "nlu_fallback", "label": "oos"}], FakeModel())
    assert scores["false_ticket_rate"] == 0 and scores["accept"] == 1


def test_no_chatter_means_no_false_ticket_rate():
    assert (
        evaluate([{"text": "housing", "label": "housing"}], FakeModel())["false_ticket_rate"]
        is None
    )


def test_a_wrong_line_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text": "a", "label": "b"}) + "\n{oops}\n")
    with pytest.raises(ValueError, match="第 2 行"):
        read_rows(path)


def test_the_checker_finds_what_spoils_a_corpus():
    sentences = [
        Sentence("楼上漏水三天了没人来修", "housing/leak_repair", "a.yml"),
        Sentence("楼上漏水三天了没人来修呀", "dispute/neighbour_leak", "b.yml"),
        Sentence("停电了", "housing/power_supply", "a.yml"),
        Sentence("停电了", "housing/power_supply", "b.yml"),
        Sentence("这是评测里的一句话", "chitchat", "a.yml"),
        *(
            Sentence(f"请问{n}号楼的物业费怎么缴纳呢", "housing/property_fee", "a.yml")
            for n in range(40)
        ),
    ]
    problems = "\n".join(check(sentences, ["这是评测里的一句话。"]).problems)
    for word in ("几乎一样", "重复的句子", "评测集里也有", "模板"):
        assert word in problems
