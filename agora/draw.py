"""New points: tau's output near the mistakes, labelled by the teacher."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from agora.errors import LeakageWarning, TeacherError
from agora.points import Label, Point, Split, decode, encode, key

TRIES = 20  # draws until one is neither an item of dev or test nor drawn before


class Tau(Protocol):
    """Makes a point near another: "not too similar or too distinct" (the author)."""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        """A new point."""
        ...

    def distance(self, point: Point, other: Point) -> float:
        """How far two points are from each other, for the log."""
        ...


# Labels of points; None where the teacher cannot tell, and the point is then left out.
Teacher = Callable[[Sequence[Point]], Sequence[Label | None]]


@dataclass(frozen=True)
class Drawn:
    """What one round adds to train, and what was left out."""

    split: Split
    distances: tuple[float, ...]
    asked: int  # points that the teacher was asked about
    leaked: int  # draws that gave back an item of dev, selection or test
    missed: int  # mistakes for which no new point was found in TRIES draws

    def json(self) -> Any:
        """As kept on disk."""
        return {
            "points": encode(self.split.points),
            "labels": encode(self.split.labels),
            "distances": self.distances,
            "counts": [self.asked, self.leaked, self.missed],
        }

    @classmethod
    def from_json(cls, value: Any) -> Drawn:
        """What `json` gave."""
        split = Split(decode(value["points"]), decode(value["labels"]))
        return cls(split, tuple(value["distances"]), *value["counts"])


def draw(
    tau: Tau,
    teacher: Teacher,
    mistakes: Sequence[Point],
    draws: int,
    forbidden: Iterable[Any],
    known: Iterable[Any],
    rng: np.random.Generator,
) -> Drawn:
    """`draws` new points near every mistake, none of them `forbidden` or `known` (keys of points).

    Raises:
        TeacherError: the teacher gave no label a point, or a label that is not finite.
    """
    forbidden, taken = set(forbidden), set(known)
    points: list[Point] = []
    distances: list[float] = []
    leaked = missed = 0
    for mistake in mistakes:
        for _ in range(draws):
            for _ in range(TRIES):
                point = tau(mistake, rng)
                name = key(point)
                leaked += name in forbidden
                if name not in forbidden and name not in taken:
                    taken.add(name)
                    points.append(point)
                    distances.append(float(tau.distance(mistake, point)))
                    break
            else:
                missed += 1
    if leaked:
        warnings.warn(
            f"tau gave back an item of dev or test {leaked} times (identity is leakage): "
            "it was drawn again or left out",
            LeakageWarning,
            stacklevel=2,
        )
    labels = ask(teacher, points)
    kept = [i for i, label in enumerate(labels) if label is not None]
    split = Split.of((points[i] for i in kept), (labels[i] for i in kept))
    return Drawn(split, tuple(distances[i] for i in kept), len(points), leaked, missed)


def ask(teacher: Teacher, points: Sequence[Point]) -> list[Label | None]:
    """The teacher's labels, one a point; it is not called for no points.

    Raises:
        TeacherError: the teacher gave another number of labels, or one that is not finite.
    """
    labels = list(teacher(points)) if points else []
    if len(labels) != len(points):
        raise TeacherError(f"the teacher gave {len(labels)} labels for {len(points)} points")
    for label in labels:
        values = label if isinstance(label, tuple) else (label,)
        if any(
            isinstance(value, (float, np.floating)) and not np.isfinite(value) for value in values
        ):
            raise TeacherError(f"the teacher gave the label {label}, which is not finite")
    return labels
