"""`python -m bot`: what is typed, and what is answered."""

import importlib
import subprocess
import sys

import pytest

from bot.cli import COMMANDS, main
from bot.settings import ROOT


def test_overview_names_every_command(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {command.name}" in shown for command in COMMANDS.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(capsys, name):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert COMMANDS[name].help in capsys.readouterr().out


def test_a_typing_error_is_answered_with_the_nearest_command(capsys):
    assert main(["evalute"]) == 2
    assert "您是想用 evaluate 吗" in capsys.readouterr().err


def test_a_missing_argument_points_to_the_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate"])
    assert stop.value.code == 2
    assert "python -m bot evaluate --help" in capsys.readouterr().err


def test_missing_secrets_are_one_clear_answer_without_a_traceback():
    result = subprocess.run(
        [sys.executable, "-m", "bot", "migrate"],
        env={"LINLI_ENV_FILE": "", "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "LINLI_SECRET_KEY" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_loads_no_heavy_library():
    code = (
        "import sys, bot.cli; bot.cli.main([]); "
        "heavy = {'rasa', 'sqlalchemy', 'alembic', 'aiohttp', 'numpy'} & set(sys.modules); "
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_each_command_leads_to_a_function(command):
    module, function = command.target.split(":")
    assert callable(getattr(importlib.import_module(module), function))
