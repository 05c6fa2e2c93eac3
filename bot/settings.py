"""Every setting of Linli, read from `LINLI_*` in the environment or in `.env`.

The environment wins over `.env`. Secrets have no default: without one nothing starts. Each field
is explained for administrators in `docs/operations.md`, and a test fails if one is not.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseSettings, Field, ValidationError, root_validator, validator

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE_VARIABLE = "LINLI_ENV_FILE"
PREFIX = "LINLI_"

_WECHAT = ("wechat_appid", "wechat_secret", "wechat_token")
_WECOM = ("wecom_corpid", "wecom_agent_id", "wecom_secret", "wecom_token", "wecom_aes_key")


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which one and what to do."""


class Settings(BaseSettings):
    """The settings of one process. Use `settings()`, not this class."""

    # Secrets
    secret_key: str = Field(..., min_length=32, repr=False)
    rasa_token: str = Field(..., min_length=16, repr=False)

    # Storage
    data_dir: Path = Path("var")
    database_url: str = Field("", repr=False)  # empty: linli.db in data_dir
    attachments_dir: Path = Field(None)  # unset: attachments/ in data_dir
    models_dir: Path = Path("models")
    redis_url: str | None = Field(None, repr=False)
    community_file: Path = Path("community.yml")
    keep_models: int = Field(5, ge=2)
    utterance_days: int = Field(180, ge=1)

    # Processes
    rasa_host: str = "127.0.0.1"
    rasa_port: int = Field(5005, ge=1, le=65535)
    rasa_urls: str = ""  # comma-separated; empty: the one above
    actions_port: int = Field(5055, ge=1, le=65535)
    desk_host: str = "127.0.0.1"
    desk_port: int = Field(8080, ge=1, le=65535)
    public_url: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    demo: bool = True

    # WeChat official account (公众号)
    wechat_appid: str = ""
    wechat_secret: str = Field("", repr=False)
    wechat_token: str = Field("", repr=False)
    wechat_aes_key: str = Field("", repr=False)
    wechat_api_base: str = "https://api.weixin.qq.com"
    wechat_reply_budget_seconds: float = Field(4.5, gt=0, lt=5)
    wechat_timestamp_window: int = Field(300, gt=0)
    wechat_open_base: str = "https://open.weixin.qq.com"
    wechat_service_sends: int = Field(5, ge=0)
    wechat_service_hours: float = Field(48, ge=0)
    wechat_tap_sends: int = Field(3, ge=0)
    wechat_subscribe_id: str = ""
    wechat_subscribe_fields: str = "character_string1=number,thing2=text"
    wechat_template_id: str = ""
    wechat_template_fields: str = "character_string1=number,thing2=text"

    # WeCom (企业微信)
    wecom_corpid: str = ""
    wecom_agent_id: str = ""
    wecom_secret: str = Field("", repr=False)
    wecom_token: str = Field("", repr=False)
    wecom_aes_key: str = Field("", repr=False)
    wecom_api_base: str = "https://qyapi.weixin.qq.com"
    wecom_sends_a_minute: int = Field(30, ge=1)
    wecom_sends_an_hour: int = Field(1000, ge=1)
    wecom_robot_sends_a_minute: int = Field(20, ge=1)

    class Config:
        """Where pydantic reads from."""

        env_prefix = PREFIX
        allow_mutation = False

    @validator("data_dir", "models_dir", "community_file")
    def _absolute_path(cls, path: Path) -> Path:
        return ROOT / path

    @validator("database_url", always=True)
    def _absolute_database(cls, url: str, values: dict[str, Any]) -> str:
        """Make a SQLite path independent of the working directory."""
        scheme, _, path = (url or f"sqlite:///{values['data_dir']}/linli.db").partition(":///")
        if scheme == "sqlite":
            return f"sqlite:///{ROOT / path}"
        # The spelling most hosting services hand out, which SQLAlchemy does not take.
        return url.replace("postgres://", "postgresql://", 1)

    @validator("attachments_dir", pre=True, always=True)
    def _attachments(cls, path: Any, values: dict[str, Any]) -> Path:
        return ROOT / (path or values["data_dir"] / "attachments")

    @validator("wechat_aes_key", "wecom_aes_key")
    def _aes_key_length(cls, key: str) -> str:
        if key and len(key) != 43:
            raise ValueError("应为 43 个字符（微信后台的 EncodingAESKey）")
        return key

    @root_validator(skip_on_failure=True)
    def _derive_and_check(cls, values: dict[str, Any]) -> dict[str, Any]:
        _all_or_none(values, _WECHAT)
        _all_or_none(values, _WECOM)
        local = f"http://{_reachable(values['desk_host'])}:{values['desk_port']}"
        values["public_url"] = (values["public_url"] or local).rstrip("/")
        return values

    @property
    def wechat_enabled(self) -> bool:
        """Whether the official account is configured."""
        return bool(self.wechat_appid)

    @property
    def wecom_enabled(self) -> bool:
        """Whether the WeCom application is configured."""
        return bool(self.wecom_corpid)

    @property
    def rasa_url(self) -> str:
        """Base address of the Rasa process, as seen from this machine."""
        return f"http://{_reachable(self.rasa_host)}:{self.rasa_port}"

    @property
    def rasa_addresses(self) -> list[str]:
        """Base addresses of all Rasa processes, each of which must be told of a new model."""
        named = [url.strip().rstrip("/") for url in self.rasa_urls.split(",") if url.strip()]
        return named or [self.rasa_url]

    @property
    def desk_url(self) -> str:
        """Base address of the desk process, as seen from this machine."""
        return f"http://{_reachable(self.desk_host)}:{self.desk_port}"


def _reachable(host: str) -> str:
    return "127.0.0.1" if host == "0.0.0.0" else host


def _all_or_none(values: dict[str, Any], names: tuple[str, ...]) -> None:
    missing = [variable(name) for name in names if not values.get(name)]
    if missing and len(missing) < len(names):
        raise ValueError(f"还缺 {'、'.join(missing)}（这几项要么都填，要么都不填）")


def variable(name: str) -> str:
    """Environment variable of a field: `desk_port` → `LINLI_DESK_PORT`."""
    return PREFIX + name.upper()


def env_file() -> Path:
    """The file of `NAME=value` lines that stands in for environment variables."""
    return ROOT / os.environ.get(ENV_FILE_VARIABLE, ".env")


def load_env_file() -> None:
    """Copy `.env` into the environment; what is set there already stays."""
    from honcho.environ import parse  # the reader of `honcho start`, so both agree on quoting

    path = env_file()
    if path.is_file():
        for name, value in parse(path.read_text(encoding="utf-8")).items():
            os.environ.setdefault(name, value)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once. Raises `SettingsError` in words for people."""
    load_env_file()
    try:
        return Settings.parse_obj({})  # each field comes from the environment
    except ValidationError as error:
        raise SettingsError(_in_words(error)) from error


_REASONS = {
    "value_error.any_str.min_length": "至少要 {limit_value} 个字符",
    "value_error.number.not_ge": "不能小于 {limit_value}",
    "value_error.number.not_gt": "必须大于 {limit_value}",
    "value_error.number.not_le": "不能大于 {limit_value}",
    "value_error.number.not_lt": "必须小于 {limit_value}",
    "value_error.const": "只能是 {permitted} 之一",
    "type_error.integer": "应为整数",
    "type_error.float": "应为数字",
    "value_error.bool": "应为 true 或 false",
    "type_error.bool": "应为 true 或 false",
}


def _in_words(error: ValidationError) -> str:
    return "\n".join(_problem(item) for item in error.errors())


def _problem(item: Any) -> str:
    name = item["loc"][0]
    if name == "__root__":
        return f"设置不完整：{item['msg']}。"
    if item["type"] == "value_error.missing":
        return (
            f"缺少设置 {variable(name)}：运行 python -m bot setup 会生成 .env，"
            "或在环境变量里设定它（见 docs/operations.md）。"
        )
    reason = _REASONS.get(item["type"], item["msg"]).format(**item.get("ctx", {}))
    return f"设置 {variable(name)} 不对：{reason}（见 docs/operations.md）。"
