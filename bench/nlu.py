"""`make bench-nlu`: our pipeline, Rasa's stock pipeline, and ours with a part taken out.

Each variant is trained on data/nlu and then asked through `/model/parse` of a real Rasa process.
Writes bench/results/nlu.json and, from it, bench/results/nlu.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bench.nlu_server import ParseServer, environment
from bench.nlu_sets import RESIDENTS, Rows, all_sets
from bot.training.corpus import read_corpus
from bot.training.scores import outcome, score

RESULTS = Path("bench/results")
SCORES = ("accept", "primary", "macro_f1", "false_ticket_rate", "ece")
LATENCY_CHARS = 60
LATENCY_ROUNDS = 600
# Rasa's starter project has 100. An epoch on this corpus takes two to four minutes on two cores, so
# give `--epochs 100` a night; ADR 0003 has what 30 brought.
STOCK_EPOCHS = 10

Config = dict[str, Any]


def without(config: Config, *names: str) -> Config:
    """A copy of a configuration without some components."""
    pipeline = [part for part in config["pipeline"] if not part["name"].endswith(names)]
    return {**copy.deepcopy(config), "pipeline": pipeline}


def stock(epochs: int) -> Config:
    """What Rasa's own documentation gives a Chinese bot."""
    chars = {
        "name": "CountVectorsFeaturizer",
        "analyzer": "char_wb",
        "min_ngram": 1,
        "max_ngram": 4,
    }
    return {
        "recipe": "default.v1",
        "assistant_id": "stock",
        "language": "zh",
        "pipeline": [
            {"name": "JiebaTokenizer"},
            {"name": "CountVectorsFeaturizer"},
            chars,
            {"name": "DIETClassifier", "epochs": epochs, "entity_recognition": False},
            {"name": "FallbackClassifier", "threshold": 0.3, "ambiguity_threshold": 0.1},
        ],
        "policies": [],
    }


def variants(epochs: int) -> dict[str, Config]:
    """All configurations by name."""
    ours = yaml.safe_load(Path("config.yml").read_text("utf-8"))
    return {
        "ours": ours,
        "no_vectors": without(ours, "SentenceEncoder"),
        "no_lexicon": without(ours, "LexiconFeaturizer"),
        "no_counts": without(ours, "CountFeaturizer"),
        "no_normaliser": without(ours, ".Normaliser", "TextRestorer"),
        "stock": stock(epochs),
    }


def train(config: Config, folder: Path) -> tuple[Path, float]:
    """Train in a process of its own; the archive and the seconds it took."""
    intents = sorted({sentence.base for sentence in read_corpus()})
    (folder / "config.yml").write_text(yaml.safe_dump(config), "utf-8")
    (folder / "domain.yml").write_text(yaml.safe_dump({"intents": intents}), "utf-8")
    start = time.perf_counter()
    command = [sys.executable, "-m", "rasa", "train", "nlu", "--nlu", "data/nlu"]
    files = ["-c", f"{folder}/config.yml", "--domain", f"{folder}/domain.yml", "--out", str(folder)]
    env = {**environment(), "RASA_MAX_CACHE_SIZE": "0"}
    done = subprocess.run([*command, *files], env=env, capture_output=True, text=True)
    archives = list(folder.glob("*.tar.gz"))
    if not archives:
        raise RuntimeError(f"训练失败：\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return archives[0], time.perf_counter() - start


def latencies(server: ParseServer, sets: dict[str, Rows]) -> np.ndarray:
    """Milliseconds of single parses of texts up to 60 characters, after a warm-up."""
    # Not the items once more with an address: each text counts once.
    once = [rows for name, rows in sets.items() if name != "own_addressed"]
    texts = [r["text"] for rows in once for r in rows if len(r["text"]) <= LATENCY_CHARS]
    step = max(len(texts) // LATENCY_ROUNDS, 1)
    chosen = texts[::step]
    for text in chosen[:50]:
        server.parse(text)
    times = []
    for text in chosen:
        start = time.perf_counter()
        server.parse(text)
        times.append((time.perf_counter() - start) * 1000)
    return np.array(times)


def measure(config: Config, sets: dict[str, Rows]) -> dict[str, Any]:
    """Everything about one variant."""
    with tempfile.TemporaryDirectory() as name:
        model, seconds = train(config, Path(name))
        return {**examine(model, sets), "train_s": round(seconds, 1)}


def examine(model: Path, sets: dict[str, Rows]) -> dict[str, Any]:
    """Everything about a trained model but how long training took."""
    found: dict[str, Any] = {key: {} for key in SCORES}
    with ParseServer(model) as server:
        times = latencies(server, sets)
        for label, rows in sets.items():
            figures = score([outcome(row, server.parse(row["text"])) for row in rows])
            for key in SCORES:
                found[key][label] = figures[key]
        found["rss_mb"] = round(server.memory_mb())
    found["parse_p50_ms"] = round(float(np.percentile(times, 50)), 2)
    found["parse_p99_ms"] = round(float(np.percentile(times, 99)), 2)
    found["model_mb"] = round(model.stat().st_size / 1e6, 1)
    return found


def table(results: dict[str, Any]) -> str:
    """The Markdown table of the results."""
    kept = results["variants"]
    sets = list(dict.fromkeys(name for row in kept.values() for name in row["accept"]))
    heads = [
        "variant",
        *(f"{name}" for name in sets),
        "p50 ms",
        "p99 ms",
        "train s",
        "RSS MB",
        "model MB",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for variant, row in kept.items():
        cells = [_cell(row, name) for name in sets]
        cells += [
            str(row[k]) for k in ("parse_p50_ms", "parse_p99_ms", "train_s", "rss_mb", "model_mb")
        ]
        lines.append("| " + " | ".join([variant, *cells]) + " |")
    note = (
        "Cells: accept / primary / macro-F1, or the false-ticket rate where no row is a matter. "
        "Labels of residents' texts were made by language models; no person has checked them."
    )
    return "\n".join([*lines, "", note, results["note"], ""])


def _note(kept: dict[str, Any]) -> str:
    busy = [name for name, row in kept.items() if row["load"] > 3]
    said = [f"Measured on a busy machine (times are too high): {', '.join(busy)}."] if busy else []
    if "stock" in kept:
        said.append(f"Stock: {kept['stock']['epochs']} epochs of DIET.")
    return " ".join(said)


def _cell(row: dict[str, Any], name: str) -> str:
    if name not in row["accept"]:
        return "–"
    if row["false_ticket_rate"][name] is not None:
        return f"ft {row['false_ticket_rate'][name]:.3f}"
    return " / ".join(f"{row[key][name]:.3f}" for key in ("accept", "primary", "macro_f1"))


def save(results: dict[str, Any]) -> None:
    """Write JSON and table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "nlu.json").write_text(json.dumps(results, indent=1, ensure_ascii=False), "utf-8")
    (RESULTS / "nlu.md").write_text(table(results), "utf-8")


def main() -> None:
    """Measure the chosen variants; those not chosen keep the figures of an earlier run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="变体名，用逗号隔开")
    parser.add_argument("--epochs", type=int, default=STOCK_EPOCHS, help="stock 的训练轮数")
    options = parser.parse_args()
    sets = all_sets()
    if not RESIDENTS.is_dir():
        print(f"没有 {RESIDENTS}：只在项目自己的测试句上打分。")
    path = RESULTS / "nlu.json"
    results = json.loads(path.read_text("utf-8")) if options.only and path.is_file() else {}
    results.setdefault("variants", {})
    chosen = options.only.split(",") if options.only else list(variants(options.epochs))
    for name in chosen:
        print(f"{name} …", flush=True)
        results["variants"][name] = measure(variants(options.epochs)[name], sets)
        load = os.getloadavg()[0]
        if name == "stock":
            results["variants"][name]["epochs"] = options.epochs
        results["variants"][name]["load"] = round(load, 1)
        results["note"] = _note(results["variants"])
        save(results)
    print(table(results))


if __name__ == "__main__":
    main()
