"""Two models side by side: `python -m bot.training.trial LIVE CANDIDATE` reads lines of JSON.

Each line {"text"} is answered by a line {"live", "candidate"}; the end of the input ends it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bot.settings import ROOT


def main() -> int:
    """Answer until the input ends."""
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    os.chdir(ROOT)
    from bot.training.compare import reading
    from bot.training.nlu_model import NluModel

    names = ("live", "candidate")
    models = [NluModel(Path(path)) for path in sys.argv[1:3]]
    for line in sys.stdin:
        reads = [reading(model.parse([json.loads(line)["text"]])[0]) for model in models]
        found = {
            name: {"intent": read.full, "confidence": read.confidence, "danger": read.danger}
            for name, read in zip(names, reads, strict=True)
        }
        print(json.dumps(found, ensure_ascii=False), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
