"""Two streams of bytes, compared at memory speed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def same_bytes(first: Iterator[bytes | memoryview], second: Iterator[bytes | memoryview]) -> bool:
    """Equality of the bytes, however each side is cut: NaN equals itself, 0.0 is not -0.0.

    Pieces are not empty; a piece may die when the next one is asked for.
    """
    a: bytes | memoryview = b""
    b: bytes | memoryview = b""
    while True:
        a, b = a or next(first, a), b or next(second, b)
        count = min(len(a), len(b))
        if not count:
            return not a and not b
        same = np.array_equal(
            np.frombuffer(a[:count], np.uint8), np.frombuffer(b[:count], np.uint8)
        )
        if not same:
            return False
        a, b = a[count:], b[count:]
