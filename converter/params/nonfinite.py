"""NaN and infinities among weights: counted as the bytes pass by, and refused unless allowed.

A float is not finite when all bits of its exponent are set (IEEE 754; bfloat16 is the upper half
of a float32). That is asked of the bits, at the same speed for every dtype.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.errors import NonfiniteError
from converter.params.index import TensorEntry

EXPONENTS = {"float64": 0x7FF << 52, "float32": 0xFF << 23, "float16": 0x7C00, "bfloat16": 0x7F80}


@dataclass(frozen=True)
class Nonfinite:
    """How many values of a tensor are NaN, and how many are infinite (of either sign)."""

    nan: int
    infinite: int

    def __add__(self, other: Nonfinite) -> Nonfinite:
        return Nonfinite(self.nan + other.nan, self.infinite + other.infinite)

    def __bool__(self) -> bool:
        return bool(self.nan or self.infinite)

    def __str__(self) -> str:
        return f"{self.nan:,} NaN, {self.infinite:,} infinite"


NONE = Nonfinite(0, 0)


def count_nonfinite(data: bytes | memoryview, dtype: np.dtype) -> Nonfinite:
    """Count in `data`, the bytes of whole values of `dtype`; integers and bools have none."""
    mask = EXPONENTS.get(dtype.name)
    if mask is None or not len(data):
        return NONE
    bits = np.frombuffer(data, f"<u{dtype.itemsize}")
    if (bits & bits.dtype.type(mask)).max() < mask:
        return NONE
    unsigned = bits & bits.dtype.type((1 << 8 * dtype.itemsize - 1) - 1)
    return Nonfinite(int((unsigned > mask).sum()), int((unsigned == mask).sum()))


class Tally:
    """`found`: the tensors with values that are not finite, of those that were watched."""

    def __init__(self) -> None:
        self.found: dict[str, Nonfinite] = {}

    def watch(self, entry: TensorEntry, pieces: Iterable[memoryview]) -> Iterator[memoryview]:
        """The same pieces of `entry`, counted as they pass; each of whole values."""
        for piece in pieces:
            if count := count_nonfinite(piece, entry.dtype):
                self.found[entry.name] = self.found.get(entry.name, NONE) + count
            yield piece


def refuse_nonfinite(path: Path, found: Mapping[str, Nonfinite], *, allowed: bool) -> None:
    """Raise `NonfiniteError`, which names every tensor in `found`, unless `allowed`."""
    if found and not allowed:
        raise NonfiniteError(
            f"{path}: weights are NaN or infinite (damaged, or training went wrong); "
            "--allow-nonfinite takes them as they are:",
            [f"{name}: {count}" for name, count in found.items()],
            found,
        )
