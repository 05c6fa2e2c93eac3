"""A second training takes what has not changed from Rasa's cache, and learns what has."""

import pytest
import yaml
from rasa.model_training import train_nlu

from bot.training.nlu_model import NluModel

SENTENCES = """
version: "3.1"
nlu:
- intent: greet
  examples: |
    - 你好
    - 您好啊
- intent: thanks
  examples: |
    - 谢谢
    - 多谢了
"""


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Trains with a cache and named places of its own; the model."""
    monkeypatch.setenv("RASA_CACHE_DIRECTORY", str(tmp_path / "cache"))
    places, data = tmp_path / "places.txt", tmp_path / "nlu.yml"
    data.write_text(SENTENCES, "utf-8")
    pipeline = [
        {"name": "bot.nlu.normaliser.Normaliser"},
        {"name": "bot.nlu.tokenizer.DomainTokenizer", "dictionary_path": "data/jieba"},
        {"name": "bot.nlu.lexicon.LexiconFeaturizer"},
        {"name": "bot.nlu.extractor.RuleExtractor", "places": str(places)},
    ]
    config = {"recipe": "default.v1", "assistant_id": "a", "language": "zh", "pipeline": pipeline}
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config), "utf-8")

    def training(*names):
        places.write_text("\n".join(names), "utf-8")
        return NluModel(train_nlu(str(tmp_path / "config.yml"), str(data), str(tmp_path / "out")))

    return training


def estate(model, text):
    [parse] = model.parse([text])
    return [e["value"] for e in parse["entities"] if e["entity"] == "estate"]


def test_a_changed_list_of_places_is_learnt_with_the_rest_from_the_cache(train):
    first = train("幸福里")
    assert (estate(first, "我住幸福里"), estate(first, "我住云梦庄")) == (["幸福里"], [])
    second = train("幸福里", "云梦庄")
    assert estate(second, "我住云梦庄") == ["云梦庄"]
