"""Short answers and turns of phrase that the dialogue reads by rule."""

import pytest

from actions import words


@pytest.mark.parametrize("said", ["好的", "嗯", "确认提交！", "OK", "是的。", "就这样"])
def test_yes(said):
    assert words.is_yes(said) and not words.is_no(said)


@pytest.mark.parametrize("said", ["不用了", "算了", "取消", "先不撤"])
def test_no(said):
    assert words.is_no(said) and not words.is_yes(said)


@pytest.mark.parametrize(
    ("said", "number"), [("2", 2), ("第一个", 1), ("选三", 3), ("２", 2), ("两", 2), ("12", None)]
)
def test_choice_by_number(said, number):
    assert words.choice(said) == number


@pytest.mark.parametrize(
    "said",
    [
        "医保怎么报销",
        "公租房申请需要什么条件",
        "低保能申请吗",
        "养老金多少钱",
        "请问社保断缴影响大吗",
    ],
)
def test_a_question_is_a_question(said):
    assert words.is_question(said)


@pytest.mark.parametrize(
    "said",
    ["怎么还不来修", "拖欠工资去哪里投诉", "什么时候来修", "你们能不能快点", "楼上漏水怎么办"],
)
def test_a_complaint_with_a_question_mark_is_none(said):
    assert not words.is_question(said)


@pytest.mark.parametrize(("said", "stars"), [("给9分", 9), ("5星", 5), ("等了10分钟", None)])
def test_stars_as_said(said, stars):
    assert words.stars(said) == stars


@pytest.mark.parametrize(
    ("said", "response"),
    [
        ("  ", "utter_empty"),
        ("😀", "utter_no_words"),
        ("У меня течёт вода", "utter_foreign"),
        ("A座", None),
        ("停水了", None),
    ],
)
def test_odd_input(said, response):
    assert words.odd_input(said) == response
