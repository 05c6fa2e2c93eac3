"""Places in any usual spelling mean the same building."""

import pytest

from bot.domain.places import Known, building_number, numeral, place_text, resolve

KNOWN = (
    Known(1, "幸福里", "3号楼", ("三栋", "3#", "幸福小区")),
    Known(2, "幸福里", "12号楼", ("十二栋", "幸福小区")),
    Known(3, "杏林苑", "3号楼", ("三栋", "杏林花苑")),
    Known(4, "锦绣华庭", "A座", ("A栋",)),
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3号楼2单元501", "3"),
        ("三栋二单元五零一", "3"),
        ("3-2-501", "3"),
        ("3#", "3"),
        ("十二幢", "12"),
        ("二十一号楼", "21"),
        ("一百零三栋", "103"),
        ("Ａ座", "A"),
        ("a栋", "A"),
        ("０３号楼", "3"),
        ("楼上漏水", None),
    ],
)
def test_building_number(text, number):
    assert building_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("五零一", "501"), ("十", "10"), ("007", "7"), ("两", "2"), ("零", "0")]
)
def test_numeral(text, number):
    assert numeral(text) == number


def test_a_number_that_only_one_estate_has_is_an_answer():
    assert resolve(KNOWN, building="12号楼", estate=None).only == KNOWN[1]


def test_a_number_of_two_estates_is_a_question_until_the_estate_is_said():
    assert len(resolve(KNOWN, building="三栋", estate=None).matches) == 2
    assert resolve(KNOWN, building="三栋", estate="杏林花苑").only == KNOWN[2]
    assert resolve(KNOWN, building="3", estate="幸福里小区").only == KNOWN[0]


def test_the_residents_own_estate_wins_unless_another_is_named():
    assert resolve(KNOWN, building="3号楼", estate=None, home=2).only == KNOWN[0]
    assert resolve(KNOWN, building="3号楼", estate="杏林苑", home=2).only == KNOWN[2]


def test_an_unknown_building_is_no_building():
    assert resolve(KNOWN, building="99号楼", estate=None).matches == ()
    assert resolve(KNOWN, building=None, estate=None).matches == ()


def test_an_estate_alone_offers_its_buildings():
    assert len(resolve(KNOWN, building=None, estate="幸福里").matches) == 2


def test_place_text_leaves_out_what_is_not_known():
    assert place_text("幸福里3号楼", "2", "501") == "幸福里3号楼2单元501室"
    assert place_text("幸福里3号楼", None, None) == "幸福里3号楼"
