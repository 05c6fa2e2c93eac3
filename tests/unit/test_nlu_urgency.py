"""Danger is told from what only sounds like it."""

import pytest

from bot.nlu.reading import Reading
from bot.nlu.urgency import UrgencyReader, danger

MARKS = UrgencyReader.get_default_config()


def reading(
    alarm: float, intent: str = "housing", confidence: float = 0.4, emergency: float = 0.1
) -> Reading:
    """A reading with a given alarm of the classifier."""
    item = [] if intent in {"chitchat", "ticket_add"} else [{"name": "lift", "confidence": 1.0}]
    return Reading([{"name": intent, "confidence": confidence}], item, [], 0.9, emergency, alarm)


@pytest.mark.parametrize(
    "text",
    [
        "厨房着火了", "楼道全是煤气味", "有人晕倒了", "我不想活了", "他拿刀追着我砍", "电梯困人了",
        "地铁口有个人挥着匕首", "他手里举着一把斧子", "爷爷快不行了", "我妈嘴歪到一边",
        "外婆忽然讲不出话", "喝了半瓶安眠药", "面包车冲进买菜的人群", "我不想再拖累孩子们",
        "屋顶的梁嘎吱嘎吱", "救救我", "池底的人没动静",
    ],
)  # fmt: skip
def test_alarm_words_are_enough(text):
    assert danger(text, reading(0.0), **MARKS)


@pytest.mark.parametrize(
    "text", ["手机快不行了", "拿刀切菜", "电视没声了", "救我们小区的那棵树", "楼下刀具店开张"]
)
def test_words_near_those_of_danger_alarm_nobody(text):
    assert not danger(text, reading(0.0), **MARKS)


@pytest.mark.parametrize(
    "text",
    ["灭火器过期了", "去年着火的补助没到", "气死我了", "吓死人了", "追剧追到男主跳楼了"],
)
def test_sayings_rules_and_the_past_are_calm(text):
    assert not danger(text, reading(0.4), **MARKS)


def test_a_sure_classifier_needs_no_words():
    assert danger("她从楼上下来就不动弹", reading(0.9), **MARKS)
    assert not danger("哈哈哈", reading(0.4, "chitchat"), **MARKS)
    assert not danger("敲门大点声", reading(0.75, "ticket_add", 0.6), **MARKS)
    assert danger("我在天台上坐着", reading(0.75, "ticket_add", 0.3), **MARKS)


def test_an_alarm_about_what_is_plainly_a_matter_alarms_nobody():
    assert not danger("我想离婚又不知道该怎么办", reading(0.9, "dispute", 0.99, 0.01), **MARKS)
    assert danger("她缩在墙角", reading(0.1, "emergency", 0.45, 0.45), **MARKS)
    assert danger("炉子没撤 头都晕 要紧吗", reading(0.1, "emergency", 0.55, 0.55), **MARKS)
