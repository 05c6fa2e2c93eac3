"""A bad model is refused by the gate, on a real archive and the real regression set."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from bot.training import cases, gate
from bot.training.nlu_model import NluModel


def changed_copy(archive: Path, folder: Path, change) -> Path:
    """The archive with another classifier in it; `change(classes, arrays)` does the damage."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "inside")
    (meta_path,) = (folder / "inside").glob("**/ensemble.json")
    meta = json.loads(meta_path.read_text("utf-8"))
    weights_path = meta_path.with_name("ensemble.npz")
    with np.load(weights_path) as file:
        arrays = {name: file[name] for name in file.files}
    meta["classes"] = change(meta["classes"], arrays)
    meta_path.write_text(json.dumps(meta, ensure_ascii=False), "utf-8")
    np.savez(weights_path, **arrays)
    made = folder / "changed.tar.gz"
    with tarfile.open(made, "w:gz") as tar:
        for path in sorted((folder / "inside").iterdir()):
            tar.add(path, path.name)
    return made


def shuffle(classes, arrays):
    """As if every label of the training set had been swapped for another."""
    return [str(name) for name in np.random.default_rng(1).permutation(classes)]


def forget(intent):
    """As if no sentence of one intent had been in the training set."""

    def change(classes, arrays):
        kept = [i for i, name in enumerate(classes) if name.partition("/")[0] != intent]
        for name, array in arrays.items():
            if array.shape[-1] == len(classes):
                arrays[name] = array[..., kept]
            elif array.shape[-1] == 2 and intent == "emergency":  # the alarm learnt from it too
                arrays[name] = array * 0 + (np.array([9, -9]) if name.startswith("bias") else 0)
        return [classes[i] for i in kept]

    return change


@pytest.fixture(scope="module")
def live(trained_model: Path) -> NluModel:
    return NluModel(trained_model)


@pytest.fixture(scope="module")
def questions() -> list[cases.Case]:
    return cases.regression()


def report_on(live, questions, archive):
    return gate.judge(questions, live, NluModel(archive))


def test_the_frozen_set_is_large_and_never_trained_on(questions):
    from bot.training.corpus import read_corpus

    assert len(questions) >= 600
    assert not {case.text for case in questions} & {s.text for s in read_corpus("data/nlu")}


def test_the_same_model_again_is_green(live, questions, trained_model):
    report = report_on(live, questions, trained_model)
    assert report["verdict"] == "green" and report["overall"]["gain"] == 0
    assert not report["won"] and not report["lost"]


def test_a_model_trained_on_shuffled_labels_is_refused(live, questions, trained_model, tmp_path):
    report = report_on(live, questions, changed_copy(trained_model, tmp_path, shuffle))
    assert report["verdict"] == "red"
    assert report["overall"]["interval"][1] < -0.5
    assert "更差" in gate.summary(report) and len(report["lost"]) > 100


@pytest.mark.parametrize("intent", ["medical", "ticket_urge", "emergency"])
def test_a_model_that_forgets_an_intent_is_refused_and_the_report_names_it(
    live, questions, trained_model, tmp_path, intent
):
    report = report_on(live, questions, changed_copy(trained_model, tmp_path, forget(intent)))
    assert report["verdict"] == "red"
    assert any(f"（{intent}）变差" in reason for reason in report["reasons"])
    if intent == "emergency":
        assert report["reasons"][0].startswith("险情识别变差")
    assert json.loads(json.dumps(report)) == report  # as it is stored
