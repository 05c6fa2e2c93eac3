"""Alembic's entry: run migrations on the URL that the caller sets (no ini file)."""

from alembic import context

import bot.store.models
import bot.store.models_desk
import bot.store.models_life
import bot.store.models_platform
import bot.store.models_training  # noqa: F401
from bot.store.base import Base, UtcDateTime, make_engine


def _render(kind: str, item: object, _context: object) -> str | bool:
    """Write our time type as a plain DateTime: migrations must not import the product."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime()"
    return False


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the table alone in which Rasa keeps conversations in the same database."""
    return not (kind == "table" and name == "events")


def run() -> None:
    """Migrate inside one transaction where the database can."""
    engine = make_engine(context.config.get_main_option("sqlalchemy.url"))
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            render_item=_render,
            include_name=_ours,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
