"""What the rules find in a message, in one normal form."""

from datetime import datetime

import pytest

from bot.nlu.extractor import ZONE, find_all
from bot.nlu.normaliser import TextNormaliser, load_table
from bot.nlu.places import EstateFinder

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=ZONE)
ESTATES = EstateFinder(["桂苑小区", "桂苑"])
NORMALISER = TextNormaliser(load_table("data/lookups/homophones.tsv"))


def found(text: str, intent: str = "housing") -> dict:
    """Entities by name; the first of each counts."""
    spans = find_all(NORMALISER.full(text), intent, ESTATES, NOW)
    return {span.entity: span.value for span in reversed(spans)}


@pytest.mark.parametrize(
    "text",
    [
        "3号楼2单元501",
        "三栋二单元五零一",
        "3-2-501",
        "3幢2单元501室",
        "3#2单元501",
        "3号楼2门501",
        "3栋2-501",
        "住三号楼二单元五〇一的",
        "３号楼２单元５０１",
        "3座2单元501房",
    ],
)
def test_one_place_in_many_spellings(text):
    place = found(text)
    assert (place["building"], place["unit"], place["room"]) == ("3", "2", "501")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A座12楼电梯坏了", {"building": "A", "floor": "12"}),
        ("桂苑小区十二号楼", {"estate": "桂苑小区", "building": "12"}),
        ("住在5号院6号楼", {"estate": "5号院", "building": "6"}),
        ("电话138 0000 1111", {"phone": "13800001111"}),
        ("一三八零零零零一一一一", {"phone": "13800001111"}),
        ("打0571-88886666", {"phone": "057188886666"}),
        ("ll 20261124 0007 咋样了", {"ticket_number": "LL-20261124-0007"}),
        ("工单7号到哪了", {"ticket_number": "0007"}),
        ("0007", {"ticket_number": "0007"}),
        ("他欠我三千块不还", {"amount": 3000}),
        ("借我一万五不还", {"amount": 15000}),
        ("借了2.5万", {"amount": 25000}),
        ("怀孕五个月了", {"person_kind": "孕妇"}),
        ("楼下独居老人没人管", {"person_kind": "独居老人"}),
    ],
)
def test_facts(text, expected):
    entities = found(text)
    assert {name: entities.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    "text",
    ["房子120平 房价3000", "二零二四年交的房", "电话13800001111", "买了三千块的东西", "有3-5个人"],
)
def test_figures_that_are_no_place(text):
    assert not {"building", "unit", "room"} & set(found(text))


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("明天下午3点来", "2026-11-25T15:00"),
        ("今天早上开始停水", "2026-11-24"),
        ("上周三晚上八点半", "2026-11-18T20:30"),
        ("十一月二号上午九点", "2026-11-02T09:00"),
        ("两天前就报了", None),
    ],
)
def test_times(text, iso):
    span = next(s for s in find_all(NORMALISER.full(text), "", ESTATES, NOW) if s.entity == "time")
    assert dict(span.extra).get("iso") == iso


@pytest.mark.parametrize(
    ("text", "rating", "solved"),
    [
        ("五星", 5, None),
        ("打4分吧", 4, None),
        ("很满意 解决了", 5, True),
        ("不太满意，没修好", 2, False),
        ("给9星", 9, None),
        ("没解决，还在漏", None, False),
    ],
)
def test_ratings(text, rating, solved):
    entities = found(text, "ticket_rate")
    assert (entities.get("rating"), entities.get("solved")) == (rating, solved)


def test_satisfied_in_a_matter_is_no_rating():
    assert "rating" not in found("物业服务让人很不满意，多次反映没解决", "housing")
