"""Students that learn nothing deep and cost nothing, to see what the loop does with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agora import Result, Run, Split, Work, grid
from agora.grid import worst
from agora.points import Label, Point


class Nearest:
    """The label of the nearest point of train, after forgetting some of it."""

    def __init__(self, theta: Mapping[str, Any], seed: int) -> None:
        self.theta, self.seed = theta, seed
        self.x: list[float] = []
        self.y: list[Label] = []

    def fit(self, train: Split, dev: Split) -> Work:
        if self.theta.get("fail"):
            raise ValueError("told to fail")
        rng = np.random.default_rng(self.seed)
        for point, label in zip(train.points, train.labels, strict=True):
            if rng.random() >= self.theta.get("forget", 0.0):
                self.x.append(float(point))
                self.y.append(label)
        return Work(updates=len(train))

    def predict(self, points: Sequence[Point]) -> Sequence[Label]:
        if not self.x:
            return [0] * len(points)
        return [self.y[int(np.argmin(np.abs(np.array(self.x) - p)))] for p in points]

    def save(self, directory: Path) -> None:
        (directory / "nearest.json").write_text(json.dumps([self.x, self.y]))


@dataclass(frozen=True)
class Neighbours:
    """Makes `Nearest`s."""

    def make(self, theta: Mapping[str, Any], seed: int) -> Nearest:
        return Nearest(theta, seed)

    def load(self, directory: Path) -> Nearest:
        student = Nearest({}, 0)
        student.x, student.y = json.loads((directory / "nearest.json").read_text())
        return student


@dataclass(frozen=True)
class Shift:
    """tau for numbers."""

    width: float = 0.05

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return float(point + rng.normal(0, self.width))


def truth(points: Sequence[Point]) -> list[int]:
    return [int(np.sin(9 * p) > 0) for p in points]


def split(n: int, seed: int) -> Split:
    points = np.random.default_rng(seed).uniform(0, 2, n).tolist()
    return Split(points, truth(points))


GRID = grid(forget=[0.0, 0.3, 0.6], name=["a", "b"])


class Recorder:
    """A teacher that remembers what it was asked."""

    def __init__(self, flip: bool = False) -> None:
        self.asked: list[Point] = []
        self.flip = flip

    def __call__(self, points: Sequence[Point]) -> Sequence[Label]:
        self.asked += points
        return [label ^ self.flip for label in truth(points)]


class Marker(Shift):
    """tau that remembers what it gave."""

    given: list[Point]

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "given", [])

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        self.given.append(super().__call__(point, rng))
        return self.given[-1]


def run(
    train: Split | None = None, dev: Split | None = None, teacher: Any = truth,
    kind: type[Run] = Run, **more: Any,
) -> Result:  # fmt: skip
    more = {"gate": None, "prune": worst, **more}
    tau = more.pop("tau", Shift())
    return kind(
        Neighbours(), teacher, train or split(6, 1), dev or split(30, 2),
        more.pop("theta_grid", GRID), tau, **more,
    ).result()  # fmt: skip
