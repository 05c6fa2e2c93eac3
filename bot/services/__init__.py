"""Use cases: one public function is one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def insert_ignore(
    session: Session, table: Any, values: dict[str, Any], unique: list[str]
) -> int | None:
    """INSERT … ON CONFLICT DO NOTHING; the new id, or None when the row was there already."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing(index_elements=unique)
    result = session.execute(statement)
    if result.rowcount != 1:
        return None
    return result.inserted_primary_key[0] if result.inserted_primary_key else None
