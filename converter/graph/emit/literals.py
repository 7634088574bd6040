"""Values of checked types as literals of Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

DTYPES = ("bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64", "bfloat16")


def literal(value: Any) -> str:
    """The text of None, a bool, int, float, dtype, or of a tuple of them. Raises `TypeError`."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _real(value)
    if isinstance(value, np.dtype):
        return dtype(str(value))
    if isinstance(value, (tuple, list)):
        items = ", ".join(literal(item) for item in value)
        return f"({items},)" if len(value) == 1 else f"({items})"
    raise TypeError(f"{type(value).__name__} is no literal")


def _real(value: float) -> str:
    """The shortest text of the number; of one that is a float32, or nine digits of it, of that."""
    if math.isnan(value):
        raise TypeError("nan is no literal")
    if math.isinf(value):
        return "torch.inf" if value > 0 else "-torch.inf"
    with np.errstate(over="ignore"):
        short = np.float32(value)
    if np.isfinite(short) and value in (float(short), float(f"{short:.9g}")):
        value = float(str(short))
    return repr(value).replace("e+", "e")


def dtype(name: str) -> str:
    """The text of a dtype, such as `torch.float32`. Raises `TypeError` for others than DTYPES."""
    if name not in DTYPES:
        raise TypeError(f"{name} is no dtype of a tensor here")
    return f"torch.{name}"


def sizes(values: Sequence[int]) -> str:
    """One number where all are the same, as PyTorch's modules take it; else a tuple."""
    return literal(values[0] if len(set(values)) == 1 else tuple(values))
