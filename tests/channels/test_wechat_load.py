"""Two Rasa processes, slow answers and overlapping tries, on a small scale (bench/wechat.py)."""

import pytest

from bench.wechat import SMALL, Run


@pytest.mark.stack
@pytest.mark.timeout(400)
async def test_each_message_once_each_answer_once_in_order(trained_model, database, tmp_path):
    result = await Run(SMALL, database, tmp_path, trained_model.parent).run()
    assert result.clean, result
    assert result.late > 0 and result.tries > result.messages
