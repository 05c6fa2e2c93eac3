"""What every test stands on: an environment of its own, away from the developer's."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# Before anything reads the settings: no test may touch the developer's database or secrets.
for name in [name for name in os.environ if name.startswith("LINLI_")]:
    del os.environ[name]
os.environ.update(
    LINLI_ENV_FILE="",
    LINLI_SECRET_KEY="test-secret-key-" * 2,
    LINLI_RASA_TOKEN="test-rasa-token-",
    LINLI_DATA_DIR=tempfile.mkdtemp(prefix="linli-test-"),
    RASA_TELEMETRY_ENABLED="false",
    TF_CPP_MIN_LOG_LEVEL="3",
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
)

pytest_plugins = ["tests.databases"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def trained_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The youngest model in models/, alone in a folder; trains one first where there is none.

    Alone, because a process started later in the session must not find a younger one.
    """
    from bot.commands.train import newest_model

    if newest_model() is None:
        subprocess.run([sys.executable, "-m", "bot", "train"], cwd=ROOT, check=True)
    model = newest_model()
    assert model is not None
    alone = tmp_path_factory.mktemp("models") / model.name
    shutil.copy(model, alone)
    return alone
