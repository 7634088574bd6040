"""Teachers: a trained student of any kind, or a table of labels. A callable is one already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agora.errors import DataError
from agora.points import Label, Point, Split, key
from agora.student import Student


@dataclass(frozen=True)
class Trained:
    """A student that has been trained: hard labels, or soft ones if it has probabilities."""

    student: Student
    soft: bool = False

    def __call__(self, points: Sequence[Point]) -> Sequence[Label]:
        probabilities: Any = getattr(self.student, "probabilities", None)
        if self.soft and probabilities:
            rows: Sequence[Label] = probabilities(points)
            return rows
        return self.student.predict(points)


@dataclass(frozen=True)
class Renumbered:
    """A teacher whose classes have other numbers: `order` has its number for each of ours."""

    teacher: Trained
    order: tuple[int, ...]

    def __call__(self, points: Sequence[Point]) -> Sequence[Label]:
        return [
            tuple(said[i] for i in self.order)
            if isinstance(said, tuple)
            else self.order.index(said)
            for said in self.teacher(points)
        ]


class Table:
    """Known labels; of other points it says None, and they are left out."""

    def __init__(self, split: Split) -> None:
        self._digest = split.digest()
        self._labels: dict[Any, Label] = {}
        for point, label in zip(split.points, split.labels, strict=True):
            if self._labels.setdefault(key(point), label) != label:
                raise DataError(f"the table of labels has two labels for one point: {point!r}")

    def __call__(self, points: Sequence[Point]) -> Sequence[Label | None]:
        return [self._labels.get(key(point)) for point in points]

    def __repr__(self) -> str:
        return f"Table({self._digest})"
