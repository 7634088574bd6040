"""Labelled points: what train, dev and test are made of, and what a score on them is."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agora.errors import DataError

# A point is a text, a number, or a tuple of these, such as a pair of texts; a label is a class.
Point = Any
Label = Any


@dataclass(frozen=True)
class Split:
    """Points and their labels, in order; the rows of an array are points, as tuples.

    Raises:
        DataError: the numbers differ, or a point is of a type that cannot be kept on disk.
    """

    points: tuple[Point, ...]
    labels: tuple[Label, ...]

    def __init__(self, points: Iterable[Point], labels: Iterable[Label]) -> None:
        object.__setattr__(self, "points", tuple(map(plain, points)))
        object.__setattr__(self, "labels", tuple(map(plain, labels)))
        if len(self.points) != len(self.labels):
            raise DataError(
                f"{len(self.points)} points and {len(self.labels)} labels: give one label a point"
            )

    def __len__(self) -> int:
        return len(self.points)

    def __add__(self, other: Split) -> Split:
        return Split(self.points + other.points, self.labels + other.labels)

    def digest(self) -> str:
        """SHA-256 of points and labels: two splits with one digest are the same data."""
        return hashlib.sha256(json.dumps([self.points, self.labels]).encode()).hexdigest()


def key(point: Point) -> Hashable:
    """What two points share exactly when they are the same item.

    Texts are the same if they are so after NFKC, with every run of whitespace as one space.
    """
    if isinstance(point, str):
        return " ".join(unicodedata.normalize("NFKC", point).split())
    if isinstance(point, tuple):
        return tuple(map(key, point))
    return point  # type: ignore[no-any-return]  # Point is Any


def content(directory: Path) -> str:
    """SHA-256 of the names and bytes of the files in a directory: what a model is known by."""
    whole = hashlib.sha256()
    for path in sorted(path for path in directory.iterdir() if path.is_file()):
        with path.open("rb") as file:
            whole.update(
                f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return whole.hexdigest()


def plain(value: Any) -> Any:
    """A point or label in Python's own types, which JSON keeps exactly; a list as a tuple."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if isinstance(value, (str, int, float)):
        return value
    raise DataError(
        f"a {type(value).__name__} cannot be a point or a label: use text, a number, an array of "
        "numbers, or a tuple of these"
    )


def accuracy(said: Sequence[Label], labels: Sequence[Label]) -> float:
    """The share of labels that were said: the score that selects, and that the author speaks of."""
    return float(np.mean([a == b for a, b in zip(said, labels, strict=True)]))


def measures(said: Sequence[Label], labels: Sequence[Label]) -> dict[str, float]:
    """What a report says, by name: accuracy, the classes' mean F1, Matthews' coefficient."""
    names = sorted({*said, *labels})
    table = np.zeros((len(names), len(names)))
    for one, label in zip(said, labels, strict=True):
        table[names.index(label), names.index(one)] += 1
    right, wanted, given = np.diag(table), table.sum(1), table.sum(0)
    shared = right.sum() * table.sum() - wanted @ given
    spread = (table.sum() ** 2 - wanted @ wanted) * (table.sum() ** 2 - given @ given)
    return {
        "accuracy": accuracy(said, labels),
        "macro-F1": float(np.mean(2 * right / (wanted + given))),
        "Matthews": float(shared / np.sqrt(spread)) if spread else 0.0,  # Gorodkin's, of many
    }
