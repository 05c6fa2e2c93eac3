"""Set-up can be repeated, skips what is done, and does again what was lost."""

import io
import json
import os
import tarfile
from unittest.mock import patch

import pytest

from bot.cli import main
from bot.commands import setup as steps
from bot.commands.train import newest_model
from bot.nlu import FORMAT
from bot.settings import settings


def archive_of(folder, meta):
    """A model archive whose classifier says `meta` about itself."""
    path = folder / "ready.tar.gz"
    content = json.dumps(meta).encode()
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("components/train_MatterClassifier5/ensemble.json")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def fresh(tmp_path):
    """An installation with nothing set up yet, whose model is there already."""
    models = tmp_path / "models"
    models.mkdir()
    archive_of(models, {"format": FORMAT})
    settings.cache_clear()
    values = {"LINLI_DATA_DIR": str(tmp_path / "var"), "LINLI_MODELS_DIR": str(models)}
    # The word lists of the checkout are not this test's to rewrite.
    with patch.dict(os.environ, values), patch("bot.community.command.write_word_lists"):
        yield tmp_path
    settings.cache_clear()


def setup_output(capsys):
    capsys.readouterr()
    assert main(["setup"]) == 0
    return capsys.readouterr().out


def test_second_time_skips_every_step(fresh, capsys):
    first = setup_output(capsys)
    assert "数据库：已升级到最新结构" in first
    assert "社区资料：写入 community.yml" in first
    second = setup_output(capsys)
    assert second.count("已就绪") == 4


def test_a_lost_database_is_made_again_with_its_community(fresh, capsys):
    setup_output(capsys)
    for file in (fresh / "var").glob("linli.db*"):
        file.unlink()
    assert "社区资料：写入 community.yml" in setup_output(capsys)


def test_a_changed_community_file_is_written_again(fresh, capsys):
    setup_output(capsys)
    copy = fresh / "community.yml"
    copy.write_bytes(settings().community_file.read_bytes() + b"\n# changed\n")
    with patch.dict(os.environ, LINLI_COMMUNITY_FILE=str(copy)):
        settings.cache_clear()
        assert "社区资料：写入" in setup_output(capsys)


def test_a_wrong_community_file_stops_the_start_and_is_not_taken_as_done(fresh, capsys):
    broken = fresh / "community.yml"
    broken.write_text("version: 2\n")
    with patch.dict(os.environ, LINLI_COMMUNITY_FILE=str(broken)):
        settings.cache_clear()
        assert main(["setup"]) == 1
        assert "社区资料有误" in capsys.readouterr().err
        assert main(["setup"]) == 1


def test_a_missing_model_is_trained_in_a_process_of_its_own(fresh):
    (fresh / "models" / "ready.tar.gz").unlink()
    with patch.object(steps.subprocess, "call", return_value=0) as call:
        assert main(["setup"]) == 0
    assert call.call_args.args[0][1:] == ["-m", "bot", "train"]


def test_migrate_says_whether_there_was_anything_to_do(fresh, capsys):
    assert main(["migrate"]) == 0
    assert "已升级" in capsys.readouterr().out
    assert main(["migrate"]) == 0
    assert "已是最新" in capsys.readouterr().out


def test_doctor_names_each_fault_and_its_mend(fresh, capsys):
    (fresh / "models" / "ready.tar.gz").unlink()
    with patch.dict(os.environ, SANIC_WORKERS="2"):
        assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "✗ 数据库不是最新结构：请运行 python -m bot migrate" in said
    assert "✗ 没有这一版能用的语言模型：请运行 make train" in said
    assert "✗ SANIC_WORKERS=2 需要 Redis" in said


def test_doctor_explains_an_unreachable_database(fresh, capsys):
    with patch.dict(os.environ, LINLI_DATABASE_URL="postgresql://u:pass-word@127.0.0.1:1/x"):
        settings.cache_clear()
        assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "✗ 数据库连不上（检查 LINLI_DATABASE_URL）" in said
    assert "pass-word" not in said


@pytest.mark.parametrize("meta", [{"views": []}, {"format": FORMAT - 1}])
def test_a_model_of_another_version_counts_as_none(fresh, meta):
    model = archive_of(fresh / "models", {"format": FORMAT})
    assert newest_model() == model
    archive_of(fresh / "models", meta)
    assert newest_model() is None
    model.write_bytes(b"half an archive")
    assert newest_model() is None
