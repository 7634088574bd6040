"""What may happen to a tensor between source and target. Each operation knows its own inverse."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]
Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class Run:
    """A target that is `zeros` zeros, then the source's values from `start` to `stop`."""

    zeros: int
    start: int
    stop: int


def _streamed(values: Arrays, number: int) -> list[np.ndarray]:
    raise TypeError("this operation keeps the order of the values: they are streamed by its run")


@dataclass(frozen=True)
class Operation:
    """One operation: `sources` tensors become the targets of a row; casts are the plan's dtype.

    `number` is the row's own argument: rows to pad, targets to split into, heads.
    `target_shape(source_shape, number)`: each target's; None where the source cannot tell a size.
    `source_shape(target_shape, number)`: what the source must have been.
    `run(source_shape, part, number)`: where the values of target `part` lie, for a operation that
    keeps their order, so that they can be streamed; None for the others, which have `forward` and
    `inverse` instead: the values of every target in their order (the shape is the step's), and
    back. `inverse(forward(a))` equals `a` bit for bit.
    Both shape functions raise `ValueError` with a reason for a shape they cannot take.
    """

    name: str
    target_shape: Callable[[Shape, int], tuple[int | None, ...]]
    source_shape: Callable[[Shape, int], Shape]
    run: Callable[[Shape, int, int], Run] | None = None
    forward: Callable[[Arrays, int], list[np.ndarray]] = _streamed
    inverse: Callable[[Arrays, int], list[np.ndarray]] = _streamed
    sources: int = 1


def _whole(shape: Shape, part: int, number: int) -> Run:
    return Run(0, 0, math.prod(shape))


def _padded(shape: Shape, part: int, number: int) -> Run:
    return Run(number * math.prod(shape[1:]), 0, math.prod(shape))


def _part(shape: Shape, part: int, number: int) -> Run:
    count = math.prod(shape) // number
    return Run(0, part * count, (part + 1) * count)


def _rows(shape: Sequence[int], operation: str, rows: Callable[[int], int]) -> Shape:
    if not shape:
        raise ValueError(f"{operation} needs at least 1 dimension")
    return rows(shape[0]), *shape[1:]


def _share(rows: int, number: int) -> int:
    if rows % number:
        raise ValueError(f"{rows} rows do not split into {number} equal parts")
    return rows // number


def _dimensions(shape: Shape, count: int, operation: str) -> Shape:
    if len(shape) != count:
        raise ValueError(f"{operation} needs {count} dimensions, not {len(shape)}")
    return shape


def _swapped(shape: Shape, number: int) -> Shape:
    return _dimensions(shape, 2, "transpose")[::-1]


def _transpose(values: Arrays, number: int) -> list[np.ndarray]:
    return [np.ascontiguousarray(values[0].T)]


def _merged_transpose(values: Arrays, number: int) -> list[np.ndarray]:
    return [np.ascontiguousarray(values[0].reshape(len(values[0]), -1).T)]


def _merged(shape: Shape) -> Shape:
    first, heads, size = _dimensions(shape, 3, "the inverse")
    return first, heads * size


def _unscramble(values: Arrays, number: int) -> list[np.ndarray]:
    """(3U,) as GluonNLP 0.9 read it: (heads, 3, U / heads), one head's q, k and v together."""
    by_head = np.concatenate(values).reshape(number, 3, -1)
    return [np.ascontiguousarray(by_head[:, part]).reshape(-1) for part in range(3)]


def _scramble(values: Arrays, number: int) -> list[np.ndarray]:
    by_head = np.stack([value.reshape(number, -1) for value in values], axis=1)
    return list(by_head.reshape(3, -1))


COPY = Operation("copy", lambda s, n: s, lambda t, n: t, _whole)
TRANSPOSE = Operation("transpose", _swapped, _swapped, forward=_transpose, inverse=_transpose)
PAD = Operation(
    "pad",
    lambda s, n: _rows(s, "pad", lambda rows: rows + n),
    lambda t, n: _rows(t, "pad", lambda rows: rows - n),
    _padded,
)
SPLIT = Operation(
    "split",
    lambda s, n: _rows(s, "split", lambda rows: _share(rows, n)),
    lambda t, n: _rows(t, "split", lambda rows: rows * n),
    _part,
)
RANGE = Operation(  # some of the source's values, from `part` to `number`: of a packed RNN, say
    "range",
    lambda s, n: (None,),
    lambda t, n: t,
    lambda s, part, n: Run(0, part, n),
)
SPLIT_HEADS = Operation(
    "split_heads",
    lambda s, n: (_dimensions(s, 2, "split_heads")[0], None, None),
    lambda t, n: _merged(t),
    _whole,
)
TRANSPOSE_SPLIT_HEADS = Operation(
    "transpose_split_heads",
    lambda s, n: (_dimensions(s, 2, "transpose_split_heads")[1], None, None),
    lambda t, n: _merged(t)[::-1],
    forward=_transpose,
    inverse=_merged_transpose,
)
UNSCRAMBLE = Operation(
    "unscramble",
    lambda s, n: s,
    lambda t, n: t,
    forward=_unscramble,
    inverse=_scramble,
    sources=3,
)

OPERATIONS = {
    operation.name: operation
    for operation in (
        *(COPY, TRANSPOSE, PAD, SPLIT, SPLIT_HEADS, TRANSPOSE_SPLIT_HEADS, UNSCRAMBLE, RANGE),
    )
}
# Those that a row of a table may have; `unscramble` comes with a version of GluonNLP, `range` of a
# graph.
ROW_OPERATIONS = tuple(name for name in OPERATIONS if name not in ("unscramble", "range"))
