"""Train a model from data/, config.yml and domain.yml."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.commands.secrets import ensure_secrets
from bot.commands.serve import prepare
from bot.settings import settings
from bot.training.nlu_model import readable


def newest_model() -> Path | None:
    """The model Rasa will load, the youngest archive in models/, if this version can read it."""
    archives = settings().models_dir.glob("*.tar.gz")
    model = max(archives, key=lambda path: path.stat().st_mtime, default=None)
    return model if model and readable(model) else None


def train(if_missing: bool = False) -> None:
    """Train a model, or with `if_missing` only where there is none that this version can read."""
    ensure_secrets()  # a checkout where nothing ran yet can train too
    model = newest_model()
    if if_missing and model:
        print(f"已有语言模型 {model.name}，不再训练。")
        return
    prepare(settings())
    # data/regression is held out: only these two folders are ever trained on.
    sources = ["--data", "data/nlu", "data/rules"]
    # Training refuses what is broken by itself; the check reads the whole corpus once more.
    sys.argv = ["rasa", "train", "--skip-validation", "--out", str(settings().models_dir), *sources]
    from rasa.__main__ import main

    from bot.training.train import hush

    hush()
    main()
