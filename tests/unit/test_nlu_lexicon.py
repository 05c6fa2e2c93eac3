"""Word groups: what a message has of each, and that every word can be met."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasa.shared.utils.io import read_yaml_file

from bot.nlu.lexicon import PATTERNS, Lexicon
from bot.nlu.normaliser import TextNormaliser, load_table

GROUPS = read_yaml_file("data/lookups/lexicon.yml")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(GROUPS)


def marks(lexicon: Lexicon, text: str) -> dict[str, float]:
    return dict(zip(lexicon.names, lexicon.vector(text).tolist(), strict=True))


def test_more_words_of_a_group_weigh_more_but_repeating_one_does_not():
    small = Lexicon({"water": ["漏水", "水管", "水表", "阀门"], "lift": ["电梯"]})
    weights = [
        marks(small, text)["water"]
        for text in ("电梯坏了", "漏水漏水", "水管漏水", "水管漏水水表转", "水管漏水水表阀门")
    ]
    assert weights == [0, 1, 1.5, 2, 2]
    assert marks(small, "电梯里漏水")["lift"] == 1


def test_patterns_are_there_or_not(lexicon):
    found = marks(lexicon, "关于物业收费的咨询?")
    assert found["title"] == found["question"] == 1 and found["phone"] == 0


@given(st.text(max_size=60))
def test_any_text_has_one_number_a_group(lexicon, text):
    vector = lexicon.vector(text)
    assert vector.shape == (len(GROUPS) + len(PATTERNS),)
    assert ((vector >= 0) & (vector <= 2)).all()


def test_words_are_spelled_as_the_normaliser_leaves_them(lexicon):
    table = load_table("data/lookups/homophones.tsv") | load_table("data/lookups/emoji.tsv")
    normalise = TextNormaliser(table).full
    lost = [w for words in GROUPS.values() for w in words if w not in normalise(w)]
    assert not lost


def test_groups_have_names_and_no_word_twice():
    assert all(isinstance(name, str) for name in GROUPS)
    twice = {g: [w for w in set(words) if words.count(w) > 1] for g, words in GROUPS.items()}
    assert not {group: words for group, words in twice.items() if words}
