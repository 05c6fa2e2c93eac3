"""The distortions of bench/perturb.py do what they say."""

import random

from bench.heldout import load
from bench.perturb import CONFUSIONS, DISTORTIONS, distorted, hesitant, traditional, unpunctuated

PLAIN = [row["text"] for row in load("robustness")["sentences"]]


def test_a_typo_changes_most_sentences_and_little_of_each():
    pairs = list(zip(PLAIN, distorted(PLAIN, "typo"), strict=True))
    assert sum(plain != wrong for plain, wrong in pairs) >= 0.85 * len(pairs)
    assert all(abs(len(plain) - len(wrong)) <= 1 for plain, wrong in pairs)


def test_no_confusion_means_the_same_word():
    assert all(word not in wrongs and wrongs for word, wrongs in CONFUSIONS.items())


def test_all_punctuation_goes():
    assert unpunctuated("着火了！快来，救命。", random.Random(0)) == "着火了快来救命"


def test_traditional_characters():
    assert traditional("楼上漏水，邻居不认", random.Random(0)) == "樓上漏水，鄰居不認"


def test_fillers_leave_every_character_standing():
    for plain, said in zip(PLAIN, distorted(PLAIN, "hesitant"), strict=True):
        rest = iter(said)
        assert said != plain
        assert all(char in rest for char in plain)


def test_one_word_gets_an_opener_only():
    assert hesitant("好", random.Random(0)).endswith("好")


def test_distortions_are_the_same_each_time():
    assert all(distorted(PLAIN, way) == distorted(PLAIN, way) for way in DISTORTIONS)
