"""`python -m bot.training.corpus_check`: is the training corpus natural, clean and honest?

It fails on a sentence that stands under two intents, on near-duplicates across intents, on an
intent padded from templates, and on a sentence that also stands among the evaluation texts.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bot.training.corpus import Sentence, read_corpus

EVALUATION = Path("../shared/nlu-eval")
NEAR = 0.8
LEAST_DISTINCT = 0.35
GRAM = 3
_MARKS = str.maketrans("", "", " ,.!?;:，。！？；：、~～…\"'“”‘’()（）")


@dataclass
class Findings:
    """What is wrong, and the share of distinct n-grams by intent."""

    problems: list[str] = field(default_factory=list)
    distinct: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def plain(text: str) -> str:
    """A text without marks and spaces, for comparison."""
    return text.translate(_MARKS).lower()


def bigrams(text: str) -> frozenset[str]:
    """The character pairs of a text."""
    return frozenset(text[i : i + 2] for i in range(len(text) - 1)) or frozenset({text})


def check(sentences: list[Sentence], evaluation: Iterable[str] = ()) -> Findings:
    """Look at all sentences; `evaluation` are texts that must not be trained on."""
    findings = Findings(counts=Counter(s.intent for s in sentences))
    findings.problems += _repeated(sentences)
    findings.problems += _near_duplicates(sentences)
    held = {plain(text) for text in evaluation if len(plain(text)) > 5}
    findings.problems += [
        f"评测集里也有这一句：{s.intent}（{s.file}）{s.text}"
        for s in sentences
        if plain(s.text) in held
    ]
    findings.distinct = distinct_ratios(sentences)
    findings.problems += [
        f"{intent} 像是模板凑的：不同的 {GRAM} 字组合只占 {ratio:.2f}"
        for intent, ratio in findings.distinct.items()
        if ratio < LEAST_DISTINCT
    ]
    return findings


def _repeated(sentences: list[Sentence]) -> list[str]:
    seen: dict[str, Sentence] = {}
    problems = []
    for sentence in sentences:
        first = seen.setdefault(sentence.text, sentence)
        if first is not sentence:
            where = f"{first.intent}（{first.file}）与 {sentence.intent}（{sentence.file}）"
            problems.append(f"重复的句子：{where}：{sentence.text}")
    return problems


def _near_duplicates(sentences: list[Sentence]) -> list[str]:
    """Pairs of different base intents that share most of their character pairs."""
    sets = [bigrams(plain(s.text)) for s in sentences]
    rare = Counter(gram for grams in sets for gram in grams)
    buckets: dict[str, list[int]] = defaultdict(list)
    problems = []
    for number, grams in enumerate(sets):
        # Two sets this alike must share one of a few rarest pairs of the later one.
        probes = sorted(grams, key=lambda gram: (rare[gram], gram))
        probes = probes[: int(len(probes) * (1 - NEAR)) + 1]
        for other in {i for gram in probes for i in buckets[gram]}:
            if sentences[other].base == sentences[number].base:
                continue
            likeness = len(grams & sets[other]) / len(grams | sets[other])
            if likeness >= NEAR and len(grams) > 3:
                one, two = sentences[other], sentences[number]
                problems.append(f"几乎一样：{one.intent}：{one.text} / {two.intent}：{two.text}")
        for gram in grams:
            buckets[gram].append(number)
    return problems


def distinct_ratios(sentences: list[Sentence]) -> dict[str, float]:
    """By intent (with item): distinct character trigrams as a share of all."""
    grams: dict[str, list[str]] = defaultdict(list)
    for sentence in sentences:
        text = plain(sentence.text)
        grams[sentence.intent] += [text[i : i + GRAM] for i in range(len(text) - GRAM + 1)]
    return {name: len(set(all_)) / len(all_) for name, all_ in sorted(grams.items()) if all_}


def evaluation_texts(folder: Path = EVALUATION) -> list[str]:
    """The texts kept for evaluation, where that folder is present."""
    lines = [
        line for path in sorted(folder.glob("*.jsonl")) for line in path.open("r", -1, "utf-8")
    ]
    return [json.loads(line)["text"] for line in lines]


def main() -> int:
    """Print the ratios and the problems; 1 if there are problems."""
    texts = evaluation_texts()
    if not texts:
        print(f"没有 {EVALUATION}，只查语料本身。")
    findings = check(read_corpus(), texts)
    for intent, ratio in sorted(findings.distinct.items(), key=lambda pair: pair[1]):
        print(f"{ratio:.2f}  {findings.counts[intent]:5}  {intent}")
    for problem in findings.problems:
        print(problem, file=sys.stderr)
    print(f"共 {findings.counts.total()} 句，{len(findings.problems)} 处问题。")
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
