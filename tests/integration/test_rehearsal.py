"""A candidate holds conversations before it may go live, in a process that nobody else feels."""

import subprocess
import sys

import pytest

from bot.settings import ROOT
from bot.training import gate, rehearsal, scripts
from bot.training.cases import Case
from tests.integration.test_gate import changed_copy, forget
from tests.integration.test_switch import Fixed

TURN = {"hears": ["工单号"], "never": ["请核对"], "buttons": ["跳过"], "card": {"事项": "停水"}}


def test_what_an_answer_lacks_is_said_in_words():
    card = {"custom": {"card": {"rows": [["事项", "住房 · 停水"]]}}}
    right = [{"text": "工单号 1", "buttons": [{"title": "先跳过", "payload": "/skip"}]}, card]
    assert scripts.faults(TURN, right) == []
    wrong = scripts.faults(TURN, [{"text": "请核对"}])
    assert [fault.split("，")[0] for fault in wrong] == [
        "没有说“工单号”",
        "不该说“请核对”",
        "没有选项“跳过”",
        "卡片的事项应有“停水”",
    ]
    assert scripts.faults({}, []) == ["没有中文回答，答的是“”"]


def verdict(conversations):
    same = Fixed({"漏水": ("housing", "normal")})
    return gate.judge([Case("漏水", "housing")], same, same, conversations)


def test_a_lost_conversation_makes_the_verdict_red_and_is_named():
    why = {"停水": "没有说“工单号”"}
    lost = verdict({"n": 2, "failed": why, "lost": ["停水"], "finished": True})
    assert lost["verdict"] == "red"
    assert lost["reasons"] == ["对话测试“停水”没有通过：没有说“工单号”"]
    as_before = verdict({"n": 2, "failed": why, "lost": [], "finished": True})
    assert as_before["verdict"] == "green"
    assert verdict({"n": 0, "failed": {}, "lost": [], "finished": False})["verdict"] == "red"


def test_it_ends_with_whoever_started_it():
    command = [sys.executable, "-m", "bot.training.rehearsal", "none.tar.gz", "none.yml"]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True)
    assert ended.returncode == 3


@pytest.mark.stack
def test_a_model_that_forgot_what_a_leak_is_loses_conversations_by_name(trained_model, tmp_path):
    forgetful = changed_copy(trained_model, tmp_path, forget("housing"))
    found = rehearsal.compare(forgetful, trained_model)
    assert found["finished"] and found["n"] == len(scripts.read()) >= 10
    assert "停水，两步报上" in found["lost"]
    assert "寒暄不开工单" not in found["failed"]
