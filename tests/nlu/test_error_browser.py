"""`python -m bot evaluate FILE --errors`, with a real model."""

import json

from bot.cli import main


def test_mistakes_come_worst_first_with_what_they_resemble(trained_model, tmp_path, capsys):
    rows = [
        {"text": "楼上漏水把我家天花板泡了，找他他不管", "label": "education"},
        {"text": "孩子上小学怎么报名", "label": "education"},
        {"text": "单位拖欠了三个月工资", "label": "medical", "accept": ["medical", "other"]},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    assert main(["evaluate", str(path), "--errors", "--model", str(trained_model)]) == 0
    shown = capsys.readouterr().out
    blocks = [block for block in shown.split("\n\n") if block.startswith("[")]
    assert {block.split("]")[0] for block in blocks} == {"[education", "[medical|other"}
    assert "孩子上小学怎么报名" not in shown.split("\n\n", 1)[1]
    sure = [float(block.split("读作：")[1].split()[1]) for block in blocks]
    assert sure == sorted(sure, reverse=True)
    wages = next(block for block in blocks if "拖欠" in block)
    assert "employment" in wages.split("读作：")[1] and "employment/wage_arrears：" in wages


def test_a_missing_file_or_model_is_said_plainly(tmp_path, capsys):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "停水了", "label": "housing"}\n', "utf-8")
    assert main(["evaluate", str(tmp_path / "none.jsonl")]) == 1
    assert main(["evaluate", str(rows), "--model", str(tmp_path)]) == 1
    assert "没有模型" in capsys.readouterr().err
