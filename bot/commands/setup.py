"""What must be there before the processes start: secrets, database, community, model."""

from __future__ import annotations

import hashlib
import subprocess
import sys

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from bot.commands.secrets import ensure_secrets
from bot.commands.train import newest_model
from bot.settings import ROOT, settings
from bot.store.base import make_engine

TOTAL_STEPS = 6  # the first two are scripts/setup.sh: tool and environment


def setup() -> int:
    """Do each step that is not done yet; 0 when all is ready."""
    _step(3, "密钥", ensure_secrets())
    upgraded = upgrade()
    _step(4, "数据库", "已升级到最新结构" if upgraded else "已就绪")
    if code := sync_community(force=upgraded):
        return code
    if newest_model():
        _step(6, "语言模型", "已就绪")
        return 0
    _step(6, "语言模型", "没有能用的模型，开始训练（一两分钟）…")
    return subprocess.call([sys.executable, "-m", "bot", "train"], cwd=ROOT)


def _step(number: int, title: str, state: str) -> None:
    print(f"[{number}/{TOTAL_STEPS}] {title}：{state}", flush=True)


def alembic_config() -> Config:
    """Alembic's settings for the database of this process."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "bot" / "store" / "migrations"))
    config.set_main_option("sqlalchemy.url", settings().database_url.replace("%", "%%"))
    return config


def pending_migrations() -> tuple[str | None, str | None]:
    """Revision of the database, and the revision it should have."""
    engine = make_engine(settings().database_url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return current, ScriptDirectory.from_config(alembic_config()).get_current_head()


def upgrade() -> bool:
    """Bring the database to the newest structure; whether there was anything to do."""
    settings().data_dir.mkdir(parents=True, exist_ok=True)
    current, head = pending_migrations()
    if current != head:
        command.upgrade(alembic_config(), "head")
    return current != head


def migrate() -> int:
    """Upgrade and say so."""
    try:
        done = upgrade()
    except CommandError as error:
        print(f"数据库升级不了：{error}。数据库可能来自更新的程序版本。", file=sys.stderr)
        return 1
    print("数据库已升级到最新结构。" if done else "数据库已是最新结构。")
    return 0


def sync_community(force: bool) -> int:
    """Write community.yml to the database unless this very file is there already."""
    config = settings()
    source = config.community_file.read_bytes() + config.database_url.encode()
    digest = hashlib.sha256(source).hexdigest()
    stamp = config.data_dir / ".community-synced"
    if not force and stamp.is_file() and stamp.read_text() == digest:
        _step(5, "社区资料", "已就绪")
        return 0
    _step(5, "社区资料", f"写入 {config.community_file.name}…")
    from bot.community import main_sync

    code = main_sync() or 0
    if code == 0:
        stamp.write_text(digest)
    return code
