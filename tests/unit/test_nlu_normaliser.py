"""One spelling for everything that residents type."""

import pytest

from bot.nlu.normaliser import TextNormaliser, load_table
from bot.nlu.numerals import arabic, to_int


@pytest.fixture(scope="module")
def normaliser() -> TextNormaliser:
    table = load_table("data/lookups/homophones.tsv") | load_table("data/lookups/emoji.tsv")
    return TextNormaliser(table)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("３号楼　漏水！", "3号楼 漏水!"),
        ("樓上漏水，電錶壞了", "楼上漏水,电表坏了"),
        ("家里漏氺了", "家里漏水了"),
        ("公基金怎么取", "公积金怎么取"),
        ("医宝报肖", "医保报销"),
        ("楼道🔥了", "楼道着火了"),
        ("好评🦄", "好评"),
        ("三栋二单元五零一", "3栋2单元501"),
        ("一三八零零零零一一一一", "13800001111"),
        ("急急急急急急", "急"),
        ("水！！！！", "水!"),
        ("", ""),
    ],
)
def test_spellings(normaliser, typed, read):
    assert normaliser.full(typed) == read


def test_a_long_story_keeps_its_head_and_tail(normaliser):
    story = "开头" + "中" + "间事情" * 300 + "请尽快处理"
    short = normaliser.short(normaliser.full(story))
    assert len(short) == 240
    assert short.startswith("开头") and short.endswith("请尽快处理")


def test_place_codes_of_published_petitions_are_neutral(normaliser):
    assert normaliser.short("K8县停水") == normaliser.short("A市停水").replace("市", "县")


def test_ten_thousand_characters_are_no_problem(normaliser):
    assert len(normaliser.full("漏" * 10_000)) <= 4000


@pytest.mark.parametrize(
    ("numeral", "value"),
    [
        ("三", 3),
        ("十二", 12),
        ("二十", 20),
        ("一百零五", 105),
        ("三百二", 320),
        ("一万五", 15000),
        ("两千三", 2300),
        ("五零一", 501),
        ("幺三八", 138),
        ("42", 42),
    ],
)
def test_numerals(numeral, value):
    assert to_int(numeral) == value


def test_what_is_no_numeral_is_left_alone():
    assert to_int("三楼") is None
    assert arabic("一五一十地说，三三两两") == "一五一十地说，三三两两"


PLACES = ["幸福里", "杏林苑", "桂花园"]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("我家厨房水管爆了，幸福里3号楼2单元501", "我家厨房水管爆了"),
        ("我住杏林苑12栋302，下水道堵了", "下水道堵了"),
        ("地址：桂花园8-2-601 暖气一直不热", "暖气一直不热"),
        ("（和平花园六号楼）楼道灯坏了没人修", "楼道灯坏了没人修"),
        ("我是三单元501的住户，楼上天天漏水", "楼上天天漏水"),
        ("幸福里3号楼2单元501的电梯又坏了", "电梯又坏了"),
        # Counts, sums, telephone numbers and dates are no addresses.
        ("小区一共580户就两栋楼有电梯", "小区一共580户就2栋楼有电梯"),
        ("村里修了1座桥塌了没人管", "村里修了1座桥塌了没人管"),
        ("工资2300没发，电话13800001111", "工资2300没发,电话13800001111"),
        # What is about the address keeps it.
        ("幸福里3号楼2单元501", "幸福里3号楼2单元501"),
        ("不对，是四号楼", "不对,是4号楼"),
        ("嗯 我是那个梧桐里三号楼的", "嗯 我是那个梧桐里3号楼的"),
        ("上个月搬到5栋来了 改一下资料", "上个月搬到5栋来了 改一下资料"),
    ],
)
def test_the_model_does_not_read_where_it_is(typed, read):
    normaliser = TextNormaliser({}, PLACES)
    assert normaliser.short(normaliser.full(typed)) == read
