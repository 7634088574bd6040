"""Sums, means, extremes and norms over axes, and where they are; sorting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from converter.graph.interpreter.operator import Array, Unhandled, computes, dtype_named, require

Axes = tuple[int, ...]


def _mean(data: Array, **how: Any) -> Array:
    """Of integers, the sum divided as C divides."""
    if data.dtype.kind == "f":
        return np.asarray(data.mean(**how))
    total = data.sum(**how)
    return np.asarray(np.trunc(total / (data.size // max(np.size(total), 1))))


REDUCE: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": _mean,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "nansum": np.nansum,
    "nanprod": np.nanprod,
}


def _reduce(
    name: str, data: Array, axis: Axes | None, keepdims: bool, exclude: bool = False
) -> Array:
    """In the dtype of the data; without axes all of them, and one number has the shape (1,).

    apache/mxnet 1.9.1 src/operator/tensor/broadcast_reduce_op.h, ReduceAxesShapeImpl: without axes
    `exclude` says nothing.
    """
    axes = _axes(axis, data, exclude)
    out = np.asarray(REDUCE[name](data, axis=axes, keepdims=keepdims)).astype(data.dtype)
    return out if out.ndim else out.reshape(1)


def _axes(axis: Axes | None, data: Array, exclude: bool) -> Axes:
    if not axis:
        return tuple(range(data.ndim))
    for one in axis:
        require(-data.ndim <= one < data.ndim, f"axis {one} is none of {data.ndim} dimensions")
    named = {one % data.ndim for one in axis}
    require(len(named) == len(axis), f"an axis is repeated in {axis}")
    return tuple(n for n in range(data.ndim) if (n in named) != exclude)


def _declare(name: str) -> None:
    def reduction(data: Array, *, axis: Axes | None, keepdims: bool, exclude: bool) -> Array:
        return _reduce(name, data, axis, keepdims, exclude)

    computes(name)(reduction)


for _name in REDUCE:
    _declare(_name)


@computes("norm")
def norm(
    data: Array,
    *,
    ord: int,  # noqa: A002  MXNet's name
    axis: Axes | None,
    out_dtype: str | None,
    keepdims: bool,
) -> Array:
    """Sum of absolute values, or root of the sum of squares.

    apache/mxnet 1.9.1 src/operator/tensor/broadcast_reduce_norm_value.cc.
    """
    if out_dtype is not None:
        data = data.astype(dtype_named(out_dtype, "out_dtype"))
    match ord:
        case 1:
            return _reduce("sum", np.abs(data), axis, keepdims)
        case 2:
            return np.sqrt(_reduce("sum", data * data, axis, keepdims))
    raise Unhandled("ord", ord)


@computes("argmax")
def argmax(data: Array, *, axis: int | None, keepdims: bool) -> Array:
    """The first place of the largest value, in the dtype of the data.

    apache/mxnet 1.9.1 src/operator/tensor/broadcast_reduce_op_index.cc.
    """
    return _place(np.argmax(data, axis=axis, keepdims=keepdims), data)


@computes("argmin")
def argmin(data: Array, *, axis: int | None, keepdims: bool) -> Array:
    """The first place of the smallest value, in the dtype of the data: as `argmax`."""
    return _place(np.argmin(data, axis=axis, keepdims=keepdims), data)


@computes("argmax_channel")
def argmax_channel(data: Array) -> Array:
    """`argmax` along axis 1: src/operator/tensor/broadcast_reduce_op_index.cc, 1.9.1."""
    return _place(data.argmax(axis=1), data)


def _place(found: Any, data: Array) -> Array:
    place = np.asarray(found).astype(data.dtype)
    return place if place.ndim else place.reshape(1)


def _order(data: Array, ascending: bool) -> Array:
    """Places along the last axis; equal values stay in order, where MXNet promises nothing."""
    if ascending:
        return np.argsort(data, axis=-1, kind="stable")
    turned = np.argsort(data[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    return np.asarray(data.shape[-1] - 1 - turned)


@computes("topk")
def topk(
    data: Array, *, axis: int | None, k: int, ret_typ: str, is_ascend: bool, dtype: str
) -> Array | tuple[Array, ...]:
    """The k largest or smallest values, their places, both, or ones where they are.

    k below 1 takes all. apache/mxnet 1.9.1 src/operator/tensor/ordering_op-inl.h.
    """
    moved = data.reshape(-1) if axis is None else np.moveaxis(data, axis, -1)
    count = moved.shape[-1] if k < 1 else k
    require(count <= moved.shape[-1], f"k={k} is more than the {moved.shape[-1]} values")
    places = _order(moved, is_ascend)[..., :count]

    def back(found: Array) -> Array:
        return found if axis is None else np.moveaxis(found, -1, axis)

    values = np.take_along_axis(moved, places, -1)
    match ret_typ:
        case "value":
            return back(values)
        case "indices":
            return back(places.astype(dtype_named(dtype)))
        case "both":
            return back(values), back(places.astype(dtype_named(dtype)))
        case "mask":
            mask = np.zeros(moved.shape, data.dtype)
            np.put_along_axis(mask, places, data.dtype.type(1), -1)
            return back(mask).reshape(data.shape)
    raise Unhandled("ret_typ", ret_typ)


@computes("sort")
def sort(data: Array, *, axis: int | None, is_ascend: bool) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/ordering_op-inl.h."""
    out = np.sort(data, axis=axis)
    return out if is_ascend else np.flip(out, 0 if axis is None else axis)


@computes("argsort")
def argsort(data: Array, *, axis: int | None, is_ascend: bool, dtype: str) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/ordering_op-inl.h."""
    moved = data.reshape(-1) if axis is None else np.moveaxis(data, axis, -1)
    places = _order(moved, is_ascend).astype(dtype_named(dtype))
    return places if axis is None else np.moveaxis(places, -1, axis)
