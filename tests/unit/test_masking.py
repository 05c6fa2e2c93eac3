"""What is kept for learning must not identify anyone."""

import pytest

from bot.domain.masking import mask


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("电话13800001111", "电话〔电话〕"),
        ("打我 138 0000 1111", "打我 〔电话〕"),
        ("座机0571-88001234", "座机〔电话〕"),
        ("身份证330102199001011234", "身份证〔证件号〕"),
        ("卡号6222020000001234567", "卡号〔卡号〕"),
        ("我叫张小明，楼上漏水", "我叫〔姓名〕，楼上漏水"),
        ("找王芳，她知道", "找〔姓名〕，她知道"),
        ("3号楼2单元501漏水", "3号楼2单元〔房号〕漏水"),
        ("3-2-501停电", "3-2-〔房号〕停电"),
        ("我住501室", "我住〔房号〕室"),
        ("邮箱a.b@c.cn", "邮箱〔邮箱〕"),
    ],
)
def test_personal_data_is_masked(said, kept):
    assert mask(said) == kept


@pytest.mark.parametrize(
    "said", ["楼上漏水没人管", "欠我3000块", "停水3天了", "2025年的医保", "工单LL-20261124-0007"]
)
def test_what_the_matter_is_about_stays(said):
    assert mask(said) == said
