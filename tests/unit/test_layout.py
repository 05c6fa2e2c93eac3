"""The import rule that import-linter cannot state: the domain knows the standard library only."""

import ast
import sys
from pathlib import Path

import pytest

from bot.settings import ROOT

DOMAIN = sorted((ROOT / "bot" / "domain").glob("*.py"))


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or ".")
    return found


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_domain_imports_only_itself_and_the_standard_library(path):
    foreign = {
        module
        for module in imported_modules(path)
        if module.split(".")[0] not in sys.stdlib_module_names
        and not module.startswith("bot.domain")
    }
    assert not foreign


def test_bot_package_itself_is_empty():
    assert (ROOT / "bot" / "__init__.py").read_text("utf-8") == ""
