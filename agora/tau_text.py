"""tau for texts and pairs of texts. The author does not say what tau was for text: all are ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from rapidfuzz.distance import Levenshtein

from agora.draw import Tau
from agora.points import Point

Fill = Callable[[Sequence[str], np.random.Generator], list[str]]  # texts with a HOLE each → filled
HOLE = "\x00"


def edits(point: Point, other: Point) -> int:
    """The fewest words to insert, remove or replace from text to text; over both sides of pairs."""
    if isinstance(point, tuple):
        return sum(map(edits, point, other))
    return Levenshtein.distance(point.split(), other.split())


@dataclass(frozen=True)
class Drop:
    """Leaves out one word, of at least two."""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        words = point.split()
        if len(words) > 1:
            del words[rng.integers(len(words))]
        return " ".join(words)


@dataclass(frozen=True)
class Swap:
    """Exchanges two neighbouring words."""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        words = point.split()
        if len(words) > 1:
            i = rng.integers(len(words) - 1)
            words[i], words[i + 1] = words[i + 1], words[i]
        return " ".join(words)


@dataclass(frozen=True)
class Refill:
    """Masks one word, and lets a masked language model fill it (`agora.tau_mlm.Filler`)."""

    fill: Fill

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return self.many([point], rng)[0]

    def many(self, points: Sequence[Point], rng: np.random.Generator) -> list[Point]:
        """One of each."""
        holed = []
        for point in points:
            words = point.split()
            if words:
                words[rng.integers(len(words))] = HOLE
            holed.append(" ".join(words))
        return [" ".join(text.split()) for text in self.fill(holed, rng)]


@dataclass(frozen=True)
class FromPool:
    """One of the `nearest` texts of a pool of unlabelled ones, by words edited."""

    pool: tuple[Point, ...] = field(repr=False)  # the run knows its digest
    nearest: int = 5

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        far = [edits(point, other) for other in self.pool]
        close = np.argsort(far, kind="stable")[: self.nearest]
        return self.pool[rng.choice(close)]


@dataclass(frozen=True)
class Either:
    """One of several taus, each as likely."""

    taus: tuple[Tau, ...]

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return self.taus[rng.integers(len(self.taus))](point, rng)


@dataclass(frozen=True)
class OneSide:
    """Perturbs one text of a pair, either as likely; of a single text, that."""

    tau: Tau

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        if not isinstance(point, tuple):
            return self.tau(point, rng)
        side = int(rng.integers(len(point)))
        return (*point[:side], self.tau(point[side], rng), *point[side + 1 :])

    def many(self, points: Sequence[Point], rng: np.random.Generator) -> list[Point]:
        """One of each; at once, if `tau` can."""
        made = getattr(self.tau, "many", None)
        if not made:
            return [self(point, rng) for point in points]
        sides = [int(rng.integers(len(p))) if isinstance(p, tuple) else None for p in points]
        texts = [p if s is None else p[s] for p, s in zip(points, sides, strict=True)]
        return [
            text if s is None else (*p[:s], text, *p[s + 1 :])
            for p, s, text in zip(points, sides, made(texts, rng), strict=True)
        ]
