"""New points: tau's output near the mistakes, labelled by the teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from agora.errors import TeacherError
from agora.points import Label, Point, Split, key, plain

TRIES = 20  # draws until one is neither an item of dev or test nor drawn before

# Makes a point near another: "not too similar or too distinct" (the author). One that works in
# batches may have `many(points, rng)` too: a new point for each.
Tau = Callable[[Point, np.random.Generator], Point]
Teacher = Callable[[Sequence[Point]], Sequence[Label]]


def each(tau: Tau, points: Sequence[Point], rng: np.random.Generator) -> Iterator[Point]:
    """A point near each: in batches, if tau can; else one when it is asked for."""
    many = getattr(tau, "many", None)
    return iter(many(points, rng)) if many else (tau(point, rng) for point in points)


@dataclass(frozen=True)
class Drawn:
    """What one round adds to train, and what was left out."""

    split: Split
    leaked: int  # draws that gave back an item of dev or test
    missed: int  # mistakes for which no new point was found in TRIES draws


def draw(
    tau: Tau, teacher: Teacher, mistakes: Sequence[Point], forbidden: Iterable[Any],
    known: Iterable[Any], rng: np.random.Generator,
) -> Drawn:  # fmt: skip
    """A new point near every mistake, none of them `forbidden` or `known` (keys of points).

    Raises:
        TeacherError: the teacher gave no label a point, or a label that is not finite.
    """
    forbidden, taken = set(forbidden), set(known)
    points: list[Point] = []
    leaked = missed = 0
    for mistake, first in zip(mistakes, each(tau, mistakes, rng), strict=True):
        again = (tau(mistake, rng) for _ in range(TRIES - 1))
        for point in map(plain, chain([first], again)):
            name = key(point)
            leaked += name in forbidden
            if name not in forbidden and name not in taken:
                taken.add(name)
                points.append(point)
                break
        else:
            missed += 1
    return Drawn(Split(points, ask(teacher, points)), leaked, missed)


def label_pool(
    teacher: Teacher, pool: Sequence[Point], forbidden: Iterable[Any], known: Iterable[Any]
) -> Drawn:
    """The pool's points, each once, labelled by the teacher; none `forbidden` or `known`."""
    forbidden, known = set(forbidden), set(known)
    named: dict[Any, Point] = {}
    for point in pool:
        named.setdefault(key(point), point)
    leaked = sum(name in forbidden for name in named)
    points = [point for name, point in named.items() if name not in forbidden | known]
    return Drawn(Split(points, ask(teacher, points)), leaked, 0)


def ask(teacher: Teacher, points: Sequence[Point]) -> list[Label]:
    """The teacher's labels, one a point; it is not called for no points.

    Raises:
        TeacherError: the teacher gave another number of labels, or one that is not finite.
    """
    labels = list(teacher(points)) if points else []
    if len(labels) != len(points):
        raise TeacherError(f"the teacher gave {len(labels)} labels for {len(points)} points")
    if odd := [x for x in labels if isinstance(x, (float, np.floating)) and not np.isfinite(x)]:
        raise TeacherError(f"the teacher gave the label {odd[0]}, which is not finite")
    return labels
