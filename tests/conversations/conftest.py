"""One stack of real Rasa and real actions for all conversations; each has a resident of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import connect
from tests.stack import Stack, Talk


@pytest.fixture(scope="session")
def talk(
    trained_model: Path, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Talk]:
    folder = tmp_path_factory.mktemp("conversations")
    path = folder / "linli.db"
    shutil.copy(sqlite_template, path)
    url = f"sqlite:///{path}"
    stack = Stack(folder, url, LINLI_MODELS_DIR=str(trained_model.parent))
    made = connect("sqlite", url)
    try:
        yield Talk(stack.start("actions", "rasa"), made)
    finally:
        stack.stop()
        made.engine.dispose()
