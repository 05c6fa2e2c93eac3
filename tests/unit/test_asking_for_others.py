"""For whom somebody asks, and who offers help: read by rule from words."""

import pytest

from bot.domain import kin, volunteering


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("我替我妈报修，她家水管漏了", "妈妈"),
        ("帮我奶奶反映一下楼上漏水", "奶奶"),
        ("代我爸申请高龄津贴", "爸爸"),
        ("替邻居报修，他家没人在", "邻居"),
        ("我帮爸妈问一下医保怎么报销", "爸妈"),
        ("我妈家漏水", None),
        ("帮我妈充一下话费", None),  # an errand, not a matter of hers to be told
        ("帮孩子报名", None),
        ("我替他问问", None),
        ("帮我报修", None),
    ],
)
def test_for_whom(text: str, who: str | None):
    assert kin.asked_for(text) == who


def test_naming_the_person_is_not_yet_the_matter():
    assert kin.only_says_for_whom("您好，我想替我妈报修")
    assert not kin.only_says_for_whom("我替我妈报修，她家水管漏了")
    assert not kin.only_says_for_whom("代我爸申请高龄津贴")


@pytest.mark.parametrize(
    "text",
    [
        "我要报到",
        "我想当志愿者",
        "志愿者怎么报名",
        "双报到",
        "我是在职党员 来报到",
        "我们单位来报到",
    ],
)
def test_a_bare_wish_to_sign_up(text: str):
    assert volunteering.wants_to_sign_up(text)


@pytest.mark.parametrize(
    "text",
    ["我是退休教师，想报名当志愿者", "会修电器 免费帮邻居修", "我想捐旧衣服", "快递报到了吗"],
)
def test_an_offer_in_its_own_words_is_for_a_person_to_read(text: str):
    assert not volunteering.wants_to_sign_up(text)


def test_as_what_and_with_what():
    assert [volunteering.kind_in(t) for t in ("党员来报到", "我们单位来报到", "想当志愿者")] == [
        "member",
        "unit",
        "resident",
    ]
    names = {"repair": "维修", "care": "助老助残", "law": "法律服务"}
    assert volunteering.skills_in("维修和助老都行", names) == ["repair", "care"]
    assert volunteering.skills_in("都行", names) == []


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "0分钟"), (45, "45分钟"), (60, "1小时"), (90, "1小时30分钟")]
)
def test_time_in_words(minutes: int, words: str):
    assert volunteering.span(minutes) == words
