"""Settings: what an administrator types, and what they are told when it is wrong."""

import os
import re
from unittest.mock import patch

import pytest

from bot.settings import ROOT, Settings, SettingsError, settings, variable

SECRETS = {"LINLI_SECRET_KEY": "s" * 32, "LINLI_RASA_TOKEN": "t" * 16}


@pytest.fixture
def environment():
    """Sets exactly the given LINLI_* variables and returns the settings read from them."""
    settings.cache_clear()
    with patch.dict(os.environ):  # reading `.env` writes to the environment: undo that too
        for field in Settings.__fields__:
            os.environ.pop(variable(field), None)

        def read(**values):
            os.environ.update(values)
            return settings()

        yield read
    settings.cache_clear()


def documented_settings():
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    return dict(re.findall(r"^\| `(LINLI_\w+)` \| (.+?) \|", text, re.MULTILINE))


def test_each_setting_is_documented_and_no_other():
    assert set(documented_settings()) == {variable(field) for field in Settings.__fields__}


def test_documented_defaults_are_the_real_ones(environment):
    real = environment(**SECRETS).dict()
    for name, default in documented_settings().items():
        value = real[name.removeprefix("LINLI_").lower()]
        if "<" in default or default == "none, required":
            continue
        expected = "" if default == "unset" else default.strip("`")
        shown = {None: "", True: "true", False: "false"}.get(value, str(value))
        assert shown.removeprefix(f"{ROOT}/") == expected, name


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_is_named_with_the_mend(environment, name):
    present = {key: value for key, value in SECRETS.items() if key != name}
    with pytest.raises(SettingsError, match=f"缺少设置 {name}.*python -m bot setup"):
        environment(**present)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("LINLI_SECRET_KEY", "short", "至少要 32 个字符"),
        ("LINLI_DESK_PORT", "http", "应为整数"),
        ("LINLI_DESK_PORT", "70000", "不能大于 65535"),
        ("LINLI_LOG_LEVEL", "LOUD", "只能是"),
        ("LINLI_DEMO", "maybe", "应为 true 或 false"),
        ("LINLI_WECHAT_AES_KEY", "abc", "43 个字符"),
        ("LINLI_WECHAT_REPLY_BUDGET_SECONDS", "5", "必须小于 5"),
    ],
)
def test_a_wrong_value_is_explained(environment, name, value, reason):
    with pytest.raises(SettingsError, match=f"{name} 不对.*{reason}"):
        environment(**SECRETS | {name: value})


def test_half_a_platform_is_refused_with_what_is_missing(environment):
    with pytest.raises(SettingsError, match="LINLI_WECHAT_SECRET、LINLI_WECHAT_TOKEN"):
        environment(**SECRETS, LINLI_WECHAT_APPID="wx1")


def test_data_dir_moves_database_and_attachments(environment, tmp_path):
    config = environment(**SECRETS, LINLI_DATA_DIR=str(tmp_path))
    assert config.database_url == f"sqlite:///{tmp_path}/linli.db"
    assert config.attachments_dir == tmp_path / "attachments"


def test_relative_paths_start_at_the_project(environment, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = environment(**SECRETS, LINLI_DATABASE_URL="sqlite:///data/a.db")
    assert config.database_url == f"sqlite:///{ROOT}/data/a.db"
    assert config.community_file == ROOT / "community.yml"


def test_postgres_url_of_hosting_services_is_taken(environment):
    config = environment(**SECRETS, LINLI_DATABASE_URL="postgres://u:p%40@db/linli")
    assert config.database_url == "postgresql://u:p%40@db/linli"


def test_secrets_do_not_show_when_settings_are_printed(environment):
    shown = repr(environment(**SECRETS, LINLI_DATABASE_URL="postgresql://u:pass-word@db/x"))
    assert not any(secret in shown for secret in [*SECRETS.values(), "pass-word"])


def test_env_file_is_read_and_the_environment_wins(environment, monkeypatch, tmp_path):
    file = tmp_path / "linli.env"
    lines = [*(f"{k}={v}" for k, v in SECRETS.items()), "LINLI_DESK_PORT=9001"]
    file.write_text("\n".join([*lines, "LINLI_RASA_PORT='9002'"]))
    monkeypatch.setenv("LINLI_ENV_FILE", str(file))
    config = environment(LINLI_DESK_PORT="9003")
    assert (config.desk_port, config.rasa_port) == (9003, 9002)
    assert config.public_url == "http://127.0.0.1:9003"
