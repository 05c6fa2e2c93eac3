"""A trained model's understanding, loaded in this process without dialogue or servers."""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from bot.nlu import FORMAT

BATCH = 64


class ModelMissing(Exception):
    """There is no model where one was looked for."""


def readable(archive: Path) -> bool:
    """Whether this version of the program can use an archive; one without our classifier it can."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name.endswith("/ensemble.json") else None
                if file:
                    return bool(json.load(file).get("format") == FORMAT)
    except tarfile.TarError:
        return False
    return True


def newest_model(folder: str | Path = "models") -> Path:
    """The newest model archive of a folder, or the path itself if it is an archive."""
    path = Path(folder)
    if path.is_file():
        return path
    archives = sorted(path.glob("*.tar.gz"), key=lambda file: file.stat().st_mtime)
    if not archives:
        raise ModelMissing(f"{path} 里没有模型，请先运行 python -m bot train")
    return archives[-1]


class NluModel:
    """The understanding part of a model archive. Loading takes some seconds (TensorFlow)."""

    def __init__(self, archive: str | Path) -> None:
        # Rasa imports TensorFlow: only who evaluates should wait for that.
        from rasa.engine.loader import load_predict_graph_runner
        from rasa.engine.runner.dask import DaskGraphRunner
        from rasa.engine.storage.local_model_storage import LocalModelStorage

        self._folder = tempfile.TemporaryDirectory()
        metadata, self._runner = load_predict_graph_runner(
            Path(self._folder.name), Path(archive), LocalModelStorage, DaskGraphRunner
        )
        self._target = str(metadata.nlu_target)
        nodes = metadata.predict_schema.nodes
        # What a classifier is given: the messages as the last featurizer leaves them.
        featurizers = [name for name in nodes if "Encoder" in name or "Featurizer" in name]
        self._featurised = featurizers[-1] if featurizers else self._target

    @classmethod
    def newest(cls, folder: str | Path = "models") -> NluModel:
        """The newest model of a folder."""
        return cls(newest_model(folder))

    def parse(self, texts: list[str]) -> list[dict[str, Any]]:
        """Parses of texts, as `/model/parse` would give them."""
        parses: list[dict[str, Any]] = []
        for start in range(0, len(texts), BATCH):
            parses += self._batch(texts[start : start + BATCH])
        return parses

    def featurise(self, texts: list[str]) -> list[Any]:
        """Rasa messages of texts, with the features that the classifier would see."""
        found: list[Any] = []
        for start in range(0, len(texts), BATCH):
            found += self._run(texts[start : start + BATCH], self._featurised)
        return found

    def _batch(self, texts: list[str]) -> list[dict[str, Any]]:
        empty = {"text": "", "intent": {"name": None, "confidence": 0.0}, "entities": []}
        return [
            {**empty, **message.as_dict(only_output_properties=True)}
            for message in self._run(texts, self._target)
        ]

    def _run(self, texts: list[str], target: str) -> list[Any]:
        from rasa.core.channels.channel import UserMessage
        from rasa.engine.constants import PLACEHOLDER_MESSAGE, PLACEHOLDER_TRACKER
        from rasa.shared.core.trackers import DialogueStateTracker

        inputs = {
            PLACEHOLDER_MESSAGE: [UserMessage(text) for text in texts],
            PLACEHOLDER_TRACKER: DialogueStateTracker.from_events("evaluate", []),
        }
        found: list[Any] = self._runner.run(inputs=inputs, targets=[target])[target]
        return found
