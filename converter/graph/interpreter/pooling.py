"""Pooling over windows: fixed, of the whole image, or as many as are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from converter.graph.interpreter.operator import Array, Unhandled, at, computes, require

CHANNEL_LAST = ("NWC", "NHWC", "NDHWC")
Sizes = tuple[int, ...]


@computes("Pooling", without_effect=("cudnn_off",))
def pooling(
    data: Array,
    *,
    kernel: Sizes,
    pool_type: str,
    global_pool: bool,
    pooling_convention: str,
    stride: Sizes,
    pad: Sizes,
    p_value: int | None,
    count_include_pad: bool | None,
    layout: str | None,
) -> Array:
    """Maximum, average, sum or Lp norm of each window of (batch, channels, *sizes).

    apache/mxnet 1.9.1 src/operator/nn/pooling.cc, pooling-inl.h, pool.h. Windows are computed one
    dimension after the other, which is the same for all four: a window is a box. `full` rounds the
    number of windows up, and keeps those that begin in the padding. `same` is for one dimension.
    """
    if pool_type == "lp":
        require(p_value in (1, 2, 3), f"Lp pooling takes p_value 1, 2 or 3, not {p_value}")
    last = layout in CHANNEL_LAST
    moved = np.moveaxis(data, -1, 1) if last else data
    sizes = moved.shape[2:]
    require(layout is None or len(layout) == data.ndim, f"{layout} is no layout of {data.ndim}-D")
    if global_pool:
        kernel, stride, pad, pooling_convention = sizes, (), (), "valid"
    if pooling_convention == "same":
        require(len(sizes) == 1 and not any(pad), "'same' pools one dimension, unpadded")
        pad = (0,)  # MXNet asks for three of them
    require(len(kernel) == len(sizes), f"the kernel {kernel} is not of {len(sizes)} dimensions")
    stride, pad = stride or (1,) * len(sizes), pad or (0,) * len(sizes)
    require(len(stride) == len(pad) == len(sizes), "stride and pad are of the kernel's dimensions")
    counts = [
        _count(*window, pooling_convention)
        for window in zip(sizes, kernel, stride, pad, strict=True)
    ]
    power = p_value if pool_type == "lp" and p_value is not None else 1
    out = moved if power == 1 else moved**power
    for axis, (k, s, p, count) in enumerate(zip(kernel, stride, pad, counts, strict=True), 2):
        out = _along(out, axis, k, s, p, count, np.maximum if pool_type == "max" else np.add)
    if pool_type == "avg":
        windows = zip(sizes, kernel, stride, pad, counts, strict=True)
        for axis, (size, k, s, p, count) in enumerate(windows, 2):
            divisor = _divisor(size, k, s, p, count, count_include_pad is not False)
            if len(sizes) < 3:  # of three, windows beyond all data give NaN: pool.h
                divisor = np.maximum(divisor, 1)
            out = out / divisor.astype(out.dtype).reshape(-1, *(1,) * (out.ndim - axis - 1))
    if power > 1:
        out = np.sqrt(out) if power == 2 else np.cbrt(out)
    return np.ascontiguousarray(np.moveaxis(out, 1, -1) if last else out, data.dtype)


def _count(size: int, kernel: int, stride: int, pad: int, convention: str) -> int:
    require(kernel <= size + 2 * pad, f"the kernel {kernel} exceeds the padded size of {size}")
    match convention:
        case "valid":
            return (size + 2 * pad - kernel) // stride + 1
        case "full":
            return -(-(size + 2 * pad - kernel) // stride) + 1
        case "same":
            return -(-size // stride)
    raise Unhandled("pooling_convention", convention)


def _along(
    data: Array, axis: int, kernel: int, stride: int, pad: int, count: int, join: np.ufunc
) -> Array:
    """Join the values of each window of one axis; what lies beyond the data counts for nothing."""
    nothing = 0 if join is np.add else np.finfo(data.dtype).min
    need = max(stride * (count - 1) + kernel, pad + data.shape[axis])
    if pad or need > data.shape[axis]:
        shape = (*data.shape[:axis], need, *data.shape[axis + 1 :])
        padded = np.full(shape, nothing, data.dtype)
        padded[at(axis, slice(pad, pad + data.shape[axis]))] = data
        data = padded
    if count == 1:
        return np.asarray(join.reduce(data[at(axis, slice(0, kernel))], axis=axis, keepdims=True))
    last = stride * (count - 1) + 1
    out: Array = data[at(axis, slice(0, last, stride))].copy()
    for place in range(1, kernel):
        join(out, data[at(axis, slice(place, place + last, stride))], out=out)
    return out


def _divisor(size: int, kernel: int, stride: int, pad: int, count: int, padding: bool) -> Array:
    """How many values each window of one axis is divided by: never those beyond the padding."""
    begin = np.arange(count) * stride - pad
    end = np.minimum(begin + kernel, size + pad)
    return np.asarray(end - begin if padding else np.minimum(end, size) - np.maximum(begin, 0))


@computes("Pooling_v1")
def pooling_v1(
    data: Array,
    *,
    kernel: Sizes,
    pool_type: str,
    global_pool: bool,
    pooling_convention: str,
    stride: Sizes,
    pad: Sizes,
) -> Array:
    """Pooling of images whose padding is zeros: they can be the maximum, and always count.

    apache/mxnet 1.9.1 src/operator/pooling_v1-inl.h.
    """
    require(data.ndim == 4, "Pooling_v1 takes (batch, channels, height, width)")
    if pool_type not in ("max", "avg", "sum"):
        raise Unhandled("pool_type", pool_type)
    if global_pool:
        kernel, stride, pad, pooling_convention = data.shape[2:], (), (), "valid"
    stride, pad = stride or (1, 1), pad or (0, 0)
    require(len(kernel) == len(stride) == len(pad) == 2, "kernel, stride and pad are two numbers")
    out = np.pad(data, ((0, 0), (0, 0), *((p, p) for p in pad)))
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), 2):
        count = _count(out.shape[axis], k, s, 0, pooling_convention)
        out = _along(out, axis, k, s, 0, count, np.maximum if pool_type == "max" else np.add)
    return np.asarray(out / data.dtype.type(kernel[0] * kernel[1])) if pool_type == "avg" else out


@computes("_contrib_AdaptiveAvgPooling2D")
def adaptive_average_pooling(data: Array, *, output_size: Sizes) -> Array:
    """Averages of `output_size` windows that cover (batch, channels, height, width), overlapping.

    apache/mxnet 1.9.1 src/operator/contrib/adaptive_avg_pooling.cc; () is (1, 1), and (n,) (n, n).
    """
    require(data.ndim == 4, "adaptive pooling takes (batch, channels, height, width)")
    require(len(output_size) <= 2, f"output_size {output_size} has more than two numbers")
    height, width = {0: (1, 1), 1: output_size * 2}.get(len(output_size), output_size)
    rows = np.concatenate(list(_averages(data, 2, height)), axis=2)
    return np.concatenate(list(_averages(rows, 3, width)), axis=3)


def _averages(data: Array, axis: int, count: int) -> Iterator[Array]:
    size = data.shape[axis]
    mean: Callable[..., Array] = np.mean
    for n in range(count):
        part = slice(n * size // count, -(-(n + 1) * size // count))
        yield mean(data[at(axis, part)], axis=axis, keepdims=True)
