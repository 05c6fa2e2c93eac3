"""Where one message may hold two matters."""

import pytest

from bot.nlu.clauses import split_clauses


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("楼道灯坏了,另外电梯也老停", 2),
        ("1.路灯不亮 2.井盖破了", 2),
        ("下水道堵了;楼上还漏水", 2),
        ("物业费太贵,还有停车位不够", 2),
        ("家里还有老人和孩子", 0),
        ("厨房水管漏水", 0),
        ("", 0),
    ],
)
def test_clauses(text, count):
    assert len(split_clauses(text)) == count
