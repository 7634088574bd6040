"""Labelled points: what train, dev and test are made of, and how they are written to disk."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agora.errors import DataError

# A point is a text, a pair of texts, a number or an array; a label is a class or a number.
Point = Any
Label = Any


@dataclass(frozen=True)
class Split:
    """Points and their labels, in order. Make one with `Split.of`."""

    points: tuple[Point, ...]
    labels: tuple[Label, ...]

    @classmethod
    def of(cls, points: Iterable[Point], labels: Iterable[Label]) -> Split:
        """Points (any iterable; the rows of an array are points) and as many labels.

        Raises:
            DataError: the numbers differ, or a point is of a type that cannot be kept on disk.
        """
        made = cls(tuple(map(plain, points)), tuple(map(plain, labels)))
        if len(made.points) != len(made.labels):
            raise DataError(
                f"{len(made.points)} points and {len(made.labels)} labels: give one label a point"
            )
        return made

    def __len__(self) -> int:
        return len(self.points)

    def __add__(self, other: Split) -> Split:
        return Split(self.points + other.points, self.labels + other.labels)

    def digest(self) -> str:
        """SHA-256 of points and labels: two splits with one digest are the same data."""
        text = json.dumps([encode(self.points), encode(self.labels)])
        return hashlib.sha256(text.encode()).hexdigest()


def key(point: Point) -> Hashable:
    """What two points share exactly when they are the same item.

    Texts are the same if they are so after NFKC, with every run of whitespace as one space.
    """
    if isinstance(point, str):
        return " ".join(unicodedata.normalize("NFKC", point).split())
    if isinstance(point, np.ndarray):
        return (point.shape, point.dtype.str, point.tobytes())
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


def encode(value: Any) -> Any:
    """A point or label as JSON; `decode` gives it back exactly (a float's repr is exact)."""
    if isinstance(value, tuple):
        return {"tuple": [encode(part) for part in value]}
    if isinstance(value, np.ndarray):
        return {"array": value.ravel().tolist(), "dtype": value.dtype.str, "shape": value.shape}
    return value


def decode(value: Any) -> Any:
    """What `encode` was given."""
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(map(decode, value["tuple"]))
    return np.array(value["array"], value["dtype"]).reshape(value["shape"])


def plain(value: Any) -> Any:
    """A point or label in types that `encode` takes; a list as a tuple."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value
    if isinstance(value, (str, int, float)):
        return value
    raise DataError(
        f"a {type(value).__name__} cannot be a point or a label: use text, a number, an array of "
        "numbers, or a tuple of these"
    )
