"""The held-out sentences of data/regression, and how well a model reads them.

`python -m bench.heldout [MODEL]` prints the figures and which labels were confused; `--texts`
adds the messages whose danger was misjudged. Do not train on what it shows: write other
sentences of the same theme, or the figures mean nothing.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from bench.perturb import DISTORTIONS, distorted
from bot.training.nlu_model import NluModel

FOLDER = Path(__file__).resolve().parent.parent / "data" / "regression"
SEEDS = (7, 8, 9)

Pairs = list[tuple[str, str]]


def load(name: str) -> Any:
    """One held-out file as it stands."""
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text("utf-8"))


def labelled(name: str) -> Pairs:
    """Text and label of a held-out file in Rasa's form (items, border, talk)."""
    return [
        (line.removeprefix("- ").strip(), block["intent"])
        for block in load(name)["nlu"]
        for line in block["examples"].splitlines()
    ]


def every_text() -> list[str]:
    """All held-out messages."""
    texts = [text for name in ("items", "border", "talk") for text, _ in labelled(name)]
    texts += [text for group in load("urgency").values() for text in group]
    texts += [row["text"] for group in load("two_matters").values() for row in group]
    return texts + [row["text"] for row in load("robustness")["sentences"]]


def intent_of(parse: dict[str, Any]) -> str:
    """The intent, or the fallback intent."""
    return str(parse["intent"]["name"])


def item_of(parse: dict[str, Any]) -> str:
    """Intent and item (housing/lift), or the bare intent where there is no item."""
    intent, item = intent_of(parse), parse.get("service_item")
    return f"{intent}/{item['name']}" if item and intent != "nlu_fallback" else intent


def item_pairs(model: NluModel, name: str = "items") -> Pairs:
    """True and read item of each sentence of items.yml or border.yml."""
    rows = labelled(name)
    parses = model.parse([text for text, _ in rows])
    return [(label, item_of(parse)) for (_, label), parse in zip(rows, parses, strict=True)]


def intents_of(pairs: Pairs) -> Pairs:
    """The same without the items."""
    return [(truth.split("/")[0], read.split("/")[0]) for truth, read in pairs]


def share(values: list[bool]) -> float:
    """How many of the values are true, from 0 to 1."""
    return sum(values) / len(values)


def macro_f1(pairs: Pairs) -> float:
    """Mean F1 over the labels that truly occur."""
    truth, read = Counter(t for t, _ in pairs), Counter(r for _, r in pairs)
    hits = Counter(t for t, r in pairs if t == r)
    return sum(2 * hits[label] / (truth[label] + read[label]) for label in truth) / len(truth)


def accuracy(pairs: Pairs) -> float:
    """Share read as labelled."""
    return share([truth == read for truth, read in pairs])


def talk_pairs(model: NluModel) -> Pairs:
    """True and read intent of each sentence of talk.yml."""
    rows = labelled("talk")
    parses = model.parse([text for text, _ in rows])
    return [(label, intent_of(parse)) for (_, label), parse in zip(rows, parses, strict=True)]


def called_danger(model: NluModel, group: str) -> list[tuple[str, bool]]:
    """Messages of one group of urgency.yml, and whether the model saw danger."""
    texts = load("urgency")[group]
    return [(t, p["urgency"] == "danger") for t, p in zip(texts, model.parse(texts), strict=True)]


def matters_read(model: NluModel, group: str) -> list[tuple[str, list[str], list[str]]]:
    """Messages of one group of two_matters.yml, their items, and the items read."""
    rows = load("two_matters")[group]
    parses = model.parse([row["text"] for row in rows])
    return [
        (row["text"], row["items"], [f"{m['intent']}/{m['item']}" for m in parse["matters"]])
        for row, parse in zip(rows, parses, strict=True)
    ]


def plain_sentences() -> list[str]:
    """The undistorted sentences of robustness.yml."""
    return [row["text"] for row in load("robustness")["sentences"]]


def kept_intents(model: NluModel, way: str, plain: list[str]) -> list[tuple[str, str, str]]:
    """Sentences that one way distorts, the intent of the plain one, and the intent read now."""
    changed = [
        (before, after)
        for seed in SEEDS
        for before, after in zip(plain, distorted(plain, way, seed), strict=True)
        if before != after
    ]
    before, after = (model.parse(list(texts)) for texts in zip(*changed, strict=True))
    rows = zip(changed, before, after, strict=True)
    return [(text, intent_of(then), intent_of(now)) for (_, text), then, now in rows]


def plain_pairs(model: NluModel) -> Pairs:
    """True and read intent of each undistorted sentence of robustness.yml."""
    rows = load("robustness")["sentences"]
    parses = model.parse(plain_sentences())
    return [(r["intent"], intent_of(parse)) for r, parse in zip(rows, parses, strict=True)]


def figures(model: NluModel) -> dict[str, float]:
    """All figures."""
    items, talk, border = item_pairs(model), talk_pairs(model), item_pairs(model, "border")
    two, one = matters_read(model, "two"), matters_read(model, "one")
    services = {label.split("/")[0] for label, _ in items}
    found = {
        "item macro-F1": macro_f1(items),
        "item accuracy": accuracy(items),
        "intent accuracy": accuracy(intents_of(items)),
        "border item accuracy": accuracy(border),
        "border intent accuracy": accuracy(intents_of(border)),
        "talk macro-F1": macro_f1(talk),
        "talk taken for a matter": share([read in services for _, read in talk]),
        "danger recall": share([seen for _, seen in called_danger(model, "danger")]),
        "false danger": share([seen for _, seen in called_danger(model, "not_danger")]),
        "both matters found": share([set(items) == set(read) for _, items, read in two]),
        "two matters told apart": share([len(read) == 2 for _, _, read in two]),
        "one matter left whole": share([len(read) < 2 for _, _, read in one]),
        "plain intent accuracy": accuracy(plain_pairs(model)),
    }
    asked = {way: plain_sentences() for way in DISTORTIONS}
    asked["addressed"] = [text for text, _ in labelled("items")]
    for way, plain in asked.items():
        kept = kept_intents(model, way, plain)
        found[f"kept when {way}"] = share([before == now for _, before, now in kept])
    return found


def print_confusions(model: NluModel) -> None:
    """What was taken for what, the commonest first."""
    for name, pairs in (("items", item_pairs(model)), ("talk", talk_pairs(model))):
        wrong = Counter(pair for pair in pairs if pair[0] != pair[1])
        print(f"\n{name}:")
        for (truth, read), count in wrong.most_common():
            print(f"  {count} × {truth} → {read}")


def print_misjudged(model: NluModel) -> None:
    """The messages whose danger was missed or imagined."""
    for group, expected in (("danger", True), ("not_danger", False)):
        print(f"\n{group}, misjudged:")
        for text, seen in called_danger(model, group):
            if seen != expected:
                print(f"  {text}")


def main() -> None:
    """Figures and confusions of a model (default: the newest of models/)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="models")
    parser.add_argument("--texts", action="store_true", help="show messages misjudged")
    options = parser.parse_args()
    model = NluModel.newest(options.model)
    for name, value in figures(model).items():
        print(f"{name:26} {value:.3f}")
    print_confusions(model)
    if options.texts:
        print_misjudged(model)


if __name__ == "__main__":
    main()
