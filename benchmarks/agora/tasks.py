"""Tasks with an exact labelling function, and the scarce, biased data that is given for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier

from agora import Split
from agora.data import numbered
from agora.draw import Tau
from agora.points import Label, Point
from agora.tau import Refill, drop, swap
from benchmarks.agora import grammar
from benchmarks.agora.ball import Ball
from benchmarks.agora.net import Nets
from benchmarks.agora.problem import Problem, Students
from benchmarks.agora.texts import Texts
from benchmarks.agora.tweets import tweets

Array = npt.NDArray[Any]
Truth = Callable[[Any], Array]  # n points → n labels 0 or 1
POOL = 300  # unlabelled points


@dataclass(frozen=True)
class Noisy:
    """The truth, wrong on a share of all possible points: which ones is fixed by seed and point."""

    truth: Truth
    accuracy: float
    seed: int

    def __call__(self, points: Sequence[Point]) -> Sequence[Label]:
        right = self.truth(np.array(points))
        return [
            int(label) ^ int(self._draw(point) >= self.accuracy)
            for point, label in zip(points, right, strict=True)
        ]

    def _draw(self, point: Point) -> float:
        raw = point.encode() if isinstance(point, str) else np.asarray(point, float).tobytes()
        text = raw + self.seed.to_bytes(8, "little")
        return int.from_bytes(hashlib.sha256(text).digest()[:6], "little") / 2**48


def sines(
    seed: int, train: int = 40, dev: int = 100, teacher: float = 0.9, biased: bool = True
) -> Problem:
    """Label: x1 > sin(3 x0), with 6 nuisance dimensions. Biased: train has x0 < 0 only."""

    def truth(x: Array) -> Array:
        labels: Array = x[:, 1] > np.sin(3 * x[:, 0])
        return labels

    def sample(n: int, rng: np.random.Generator, half: bool) -> Array:
        x = rng.uniform(-2, 2, (n, 8))
        x[:, 2:] /= 2
        if half:
            x[:, 0] = -np.abs(x[:, 0])
        return x

    return _problem(seed, sample, truth, train, dev, teacher, biased, Ball(0.3))


def rings(seed: int) -> Problem:
    """Label: the side of sin(4 r), r the distance from 0 in the first two of 8 dimensions."""

    def truth(x: Array) -> Array:
        labels: Array = np.sin(4 * np.hypot(x[:, 0], x[:, 1])) > 0
        return labels

    def sample(n: int, rng: np.random.Generator, half: bool) -> Array:
        x = rng.uniform(-3, 3, (n, 8))
        if half:
            x[:, 0] = -np.abs(x[:, 0])
        return x

    return _problem(seed, sample, truth, 40, 100, 0.9, True, Ball(0.1))


WORDS, POSITIVE, NEGATIVE, LENGTH = 60, 15, 30, 8  # places: 0-14 good, 15-29 bad, 30 "not"


@dataclass(frozen=True)
class SwapCount:
    """One word of a bag becomes another."""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        bag = np.array(point)
        bag[rng.choice(np.flatnonzero(bag))] -= 1
        bag[rng.integers(WORDS)] += 1
        return bag


def bag(seed: int) -> Problem:
    """Counts of 8 words out of 60: more good than bad words, the other way round after "not"."""

    def truth(x: Array) -> Array:
        more = x[:, :POSITIVE].sum(1) > x[:, POSITIVE:NEGATIVE].sum(1)
        labels: Array = more ^ (x[:, NEGATIVE] > 0)
        return labels

    def sample(n: int, rng: np.random.Generator, half: bool) -> Array:
        x = np.zeros((n, WORDS))
        for row in x:
            while row[:POSITIVE].sum() == row[POSITIVE:NEGATIVE].sum():
                row[:] = np.bincount(rng.integers(0, WORDS, LENGTH), minlength=WORDS)
                if rng.random() < 0.5 and not row[NEGATIVE]:
                    row[rng.choice(np.flatnonzero(row))] -= 1
                    row[NEGATIVE] += 1
        return x

    return _problem(seed, sample, truth, 40, 100, 0.9, False, SwapCount())


def _problem(
    seed: int,
    sample: Callable[[int, np.random.Generator, bool], Array],
    truth: Truth,
    train: int,
    dev: int,
    teacher: float,
    biased: bool,
    tau: Tau,
) -> Problem:
    rng = np.random.default_rng([seed, 1])
    splits = []
    for n, half in ((train, biased), (dev, False), (4000, False), (POOL, False)):
        x = sample(n, rng, half)
        splits.append(Split(x, truth(x).astype(int)))
    taught = Noisy(truth, teacher, seed)
    return Problem(splits[0], splits[1], splits[2], taught, tau, pool=splits[3].points)


@dataclass(frozen=True)
class Either:
    """One of several taus, each as likely."""

    taus: tuple[Tau, ...]

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return self.taus[rng.integers(len(self.taus))](point, rng)


def template(seed: int, dev: int = 100, bort: bool = False) -> Problem:
    """Sentences of a grammar: the mood of their words, turned round by negations. None in train.

    The small network sees which word stands at which place; tau drops, exchanges or replaces one.
    """
    train = grammar.sample(40, 3 * seed, rich=False)
    looked = grammar.sample(dev, 3 * seed + 1, [train])
    test = grammar.sample(1000, 3 * seed + 2, [train, looked])
    splits = [numbered(split, ("neg", "pos")) for split in (train, looked, test)]
    tau = Either((drop, swap, Refill(grammar.any_word)))
    teacher = Noisy(grammar.positive, 0.9, seed)
    students: Students = Texts() if bort else Nets(encode=grammar.places)
    pool = grammar.sample(POOL, 3 * seed + 50_000, [train, looked, test]).points
    return Problem(splits[0], splits[1], splits[2], teacher, tau, students, pool)


def cancer(seed: int) -> Problem:
    """scikit-learn's breast-cancer data: 20 train, 60 dev; a forest of 200 others teaches."""
    data = load_breast_cancer()
    return _real(seed, data.data, data.target, 20, 60, 200, 0.5)


def digits(seed: int) -> Problem:
    """scikit-learn's digits, 3 against 8: 20 train, 60 dev; a forest of 120 others teaches."""
    data = load_digits()
    pair = np.isin(data.target, (3, 8))
    return _real(seed, data.data[pair], data.target[pair] == 8, 20, 60, 120, 0.5)


def _real(
    seed: int, x: Array, y: Array, train: int, dev: int, taught: int, radius: float
) -> Problem:
    """Features are scaled by the points that the teacher learnt from, never by test.

    They are the unlabelled ones too: there are no others.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(x))
    x, y = x[order], y[order].astype(int)
    spread = x[:taught].std(0)
    x = (x - x[:taught].mean(0)) / np.where(spread > 0, spread, 1)
    forest = RandomForestClassifier(200, random_state=seed).fit(x[:taught], y[:taught])

    def teacher(points: Sequence[Point]) -> Sequence[Label]:
        return [int(label) for label in forest.predict(np.array(points))]

    ends = np.cumsum([taught, train, dev])

    def part(start: int, end: int | None) -> Split:
        return Split(x[start:end], y[start:end])

    given = part(ends[0], ends[1]), part(ends[1], ends[2]), part(ends[2], None)
    return Problem(*given, teacher, Ball(radius), pool=part(0, ends[0]).points)


TASKS: dict[str, Callable[[int], Problem]] = {
    "sines": sines,
    "tweets": tweets,
    "template": template,
    "template, Bort": partial(template, dev=60, bort=True),
    "rings": rings,
    "bag": bag,
    "breast cancer": cancer,
    "digits 3 and 8": digits,
    "sines, teacher 0.70": partial(sines, teacher=0.7),
    "sines, 40 dev": partial(sines, dev=40),
    "sines, unbiased train": partial(sines, biased=False),
}
