"""Arrays of constants and of running numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from converter.graph.interpreter.operator import Array, computes, dtype_named, require

Sizes = tuple[int, ...]


def _full(shape: Sizes, value: float, dtype: str) -> Array:
    return np.full(shape, np.array(value).astype(dtype_named(dtype)))


@computes("_zeros", without_effect=("ctx",))
def zeros(*, shape: Sizes, dtype: str) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/init_op.h."""
    return _full(shape, 0, dtype)


@computes("_ones", without_effect=("ctx",))
def ones(*, shape: Sizes, dtype: str) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/init_op.h."""
    return _full(shape, 1, dtype)


@computes("_full", without_effect=("ctx",))
def full(*, shape: Sizes, dtype: str, value: float) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/init_op.h."""
    return _full(shape, value, dtype)


@computes("zeros_like")
def zeros_like(data: Array) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/elemwise_unary_op_basic.cc."""
    return np.zeros_like(data)


@computes("ones_like")
def ones_like(data: Array) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/elemwise_unary_op_basic.cc."""
    return np.ones_like(data)


def _range(start: float, step: float, count: int, repeat: int, dtype: np.dtype[Any]) -> Array:
    """From start by step, each number `repeat` times, computed in the dtype that comes out.

    Whole steps times a float16 are whole to MXNet: 3rdparty/mshadow/mshadow/half.h, 1.9.1.
    """
    require(repeat > 0, "repeat is above zero")
    first, by = np.array(start).astype(dtype), np.array(step).astype(dtype)
    moved = (np.arange(count) // repeat).astype(dtype) * by
    return np.asarray(first + (np.trunc(moved) if dtype == np.float16 else moved))


@computes("_arange", without_effect=("ctx",))
def arange(
    shape: Sizes | None = None,
    *,
    start: float,
    stop: float | None,
    step: float,
    repeat: int,
    infer_range: bool,
    dtype: str,
) -> Array:
    """Up to but without `stop`; without it, from 0 to `start`, or as many as take its `shape`.

    apache/mxnet 1.9.1 src/operator/tensor/init_op.h, RangeShape.
    """
    require(step != 0, "step is not zero")
    if stop is None and infer_range:
        require(shape is not None and len(shape) == 1, "nothing tells how many numbers there are")
        return _range(start, step, math.prod(shape or ()), repeat, dtype_named(dtype))
    if stop is None:
        start, stop = 0.0, start
    require(
        repeat > 0 and (stop - start) * step > 0, f"no numbers from {start} to {stop} by {step}"
    )
    count = math.ceil((stop - start) / step) * repeat
    return _range(start, step, count, repeat, dtype_named(dtype))


@computes("_contrib_arange_like", without_effect=("ctx",))
def arange_like(data: Array, *, start: float, step: float, repeat: int, axis: int | None) -> Array:
    """Numbers in the data's shape, or as many as an axis is long.

    apache/mxnet 1.9.1 src/operator/tensor/init_op.h, RangeLikeShape.
    """
    shape = data.shape if axis is None else (data.shape[axis],)
    return _range(start, step, math.prod(shape), repeat, data.dtype).reshape(shape)


@computes("_eye", without_effect=("ctx",))
def eye(*, N: int, M: int, k: int, dtype: str) -> Array:  # noqa: N803  MXNet's names
    """Ones on diagonal `k` of (N, M): apache/mxnet 1.9.1 src/operator/tensor/init_op.h."""
    return np.eye(N, M or N, k, dtype_named(dtype))
