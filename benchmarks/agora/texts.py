"""Students of Transformers: a Bort of the fixtures, converted, with a tokenizer of the grammar."""

from __future__ import annotations

import shutil
import tempfile
from atexit import register
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agora import Split, Work, grid
from agora.bort import Borts, TextStudent
from agora.grid import Theta
from agora.ledger import BACKWARD
from agora.points import Label, Point
from benchmarks.agora import grammar
from converter import convert

COST = 5760  # of a run, in forward passes: 32 epochs of 40 points in train and 60 in dev
GRID = grid(lr=[1e-3, 2e-3, 4e-3], batch=[16, 32], warmup=[0.1])
FIXTURE = Path(__file__).parents[2] / "fixtures" / "bort_decoder.params"


@cache
def converted() -> str:
    """The directory that bort-convert makes of the fixture; removed when the process ends."""
    place = tempfile.mkdtemp(prefix="agora-bort-")
    register(shutil.rmtree, place, ignore_errors=True)
    directory = Path(place) / "bort"
    convert(FIXTURE, directory, family="bort", config={"num_attention_heads": 4})
    grammar.save_tokenizer(directory)
    return str(directory)


class Costed:
    """A student that trains as many epochs as its cost pays for, whatever the size of train."""

    def __init__(self, student: TextStudent, texts: Texts, cost: float) -> None:
        self.student, self.texts, self.cost = student, texts, cost

    def fit(self, train: Split, dev: Split) -> Work:
        epoch = BACKWARD * len(train) + len(dev)
        left = self.cost + self.texts.owed - len(dev)  # dev is looked at once more, by the caller
        epochs = max(1, round(left / epoch))
        self.texts.owed = left - epochs * epoch
        self.student.theta = {**self.student.theta, "epochs": epochs}
        return self.student.fit(train, dev)

    def predict(self, points: Sequence[Point]) -> Sequence[Label]:
        return self.student.predict(points)

    def save(self, directory: Path) -> None:
        self.student.save(directory)


@dataclass
class Texts:
    """Makes sequence classifiers of two classes, with Transformers' own head.

    Bort's head is for an encoder that was trained; the fixture's weights are random, and plain
    training reached less with it. What is left of a run's cost after whole epochs, the next gets.
    """

    grid: tuple[Theta, ...] = GRID
    owed: float = 0.0

    def make(self, theta: Mapping[str, Any], seed: int) -> Costed:
        made = self._borts().make(theta, seed)
        return Costed(made, self, theta.get("cost", COST))

    def load(self, directory: Path) -> TextStudent:
        return self._borts().load(directory)

    def part(self, theta: Theta, share: float) -> Theta:
        return (*theta, ("cost", COST * share))

    def fitted(self, theta: Theta, left: float, train: int, dev: int) -> Theta | None:
        """The last run is a short one: there are few, so that a whole one would be too much."""
        if left < BACKWARD * train + 2 * dev:
            return None
        whole = dict(theta)
        return tuple({**whole, "cost": min(whole.get("cost", COST), left)}.items())

    def patient(self, left: float, train: int, dev: int) -> Theta:
        return (*self.grid[len(self.grid) // 2], ("cost", left))

    def _borts(self) -> Borts:
        return Borts(converted(), ("neg", "pos"), preset=False)
