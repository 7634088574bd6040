"""What may happen to a tensor between source and target. Each verb knows its own inverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Verb:
    """One operation on one tensor; casts are not verbs, they are the plan's dtype.

    `target_shape(source_shape)` raises `ValueError` with a reason for a shape it cannot take.
    `inverse(forward(a))` equals `a` bit for bit. `moves_bytes` says that the target's bytes are
    the source's in the same order, so that they can be streamed.
    """

    name: str
    meaning: str
    target_shape: Callable[[Shape], Shape]
    forward: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]
    moves_bytes: bool = False


def _same(value: np.ndarray) -> np.ndarray:
    return value


def _swapped(shape: Shape) -> Shape:
    if len(shape) != 2:
        raise ValueError(f"transpose needs 2 dimensions, not {len(shape)}")
    return shape[::-1]


def _transpose(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value.T)


COPY = Verb("copy", "same numbers, new name", lambda s: s, _same, _same, moves_bytes=True)
TRANSPOSE = Verb("transpose", "(a, b) becomes (b, a)", _swapped, _transpose, _transpose)

VERBS = {verb.name: verb for verb in (COPY, TRANSPOSE)}
