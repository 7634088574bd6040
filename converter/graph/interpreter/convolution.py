"""Convolution and its transpose, as products of matrices that BLAS computes."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from converter.graph.interpreter.operator import Array, Unhandled, computes, require

CHANNEL_FIRST = (None, "NCW", "NCHW", "NCDHW")
BLOCK = 1 << 19  # values of one block of columns
TUNING = ("workspace", "cudnn_tune", "cudnn_off")

Sizes = tuple[int, ...]


def _spatial(kernel: Sizes, stride: Sizes, dilate: Sizes, pad: Sizes) -> tuple[Sizes, Sizes, Sizes]:
    """Stride, dilation and padding by dimension: () stands for ones and zeros."""
    count = len(kernel)
    stride, dilate, pad = stride or (1,) * count, dilate or (1,) * count, pad or (0,) * count
    require(
        len(stride) == len(dilate) == len(pad) == count,
        f"kernel, stride, dilate and pad are of {count} dimensions, not {stride} {dilate} {pad}",
    )
    require(min(*kernel, *stride, *dilate) > 0 <= min(pad), "a size is not above zero")
    return stride, dilate, pad


def _channels_first(layout: str | None, data: Array) -> None:
    if layout not in CHANNEL_FIRST:
        raise Unhandled("layout", layout)
    require(layout is None or len(layout) == data.ndim, f"{layout} is no layout of {data.ndim}-D")


@computes("Convolution", "Convolution_v1", without_effect=TUNING)
def convolution(
    data: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    kernel: Sizes,
    stride: Sizes,
    dilate: Sizes,
    pad: Sizes,
    num_filter: int,
    num_group: int,
    no_bias: bool,
    layout: str | None,
) -> Array:
    """Cross-correlation of (batch, channels, *sizes) with (filters, channels / groups, *kernel).

    apache/mxnet 1.9.1 src/operator/nn/convolution.cc, convolution-inl.h; the same in 1.5.0.
    """
    _channels_first(layout, data)
    require(no_bias == (bias is None), "no_bias does not agree with the inputs")
    stride, dilate, pad = _spatial(kernel, stride, dilate, pad)
    batch, channels = data.shape[:2]
    require(num_group > 0 == channels % num_group, f"{num_group} groups of {channels} channels")
    expected = (num_filter, channels // num_group, *kernel)
    require(weight.shape == expected, f"the weight has shape {weight.shape}, not {expected}")
    sizes = tuple(
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, d, p in zip(data.shape[2:], kernel, stride, dilate, pad, strict=True)
    )
    require(min(sizes) > 0, "the kernel is larger than the padded data")
    grouped = weight.reshape(num_group, num_filter // num_group, -1)
    out = np.empty((batch, num_group, num_filter // num_group, math.prod(sizes)), data.dtype)
    for image, result in zip(data, out, strict=True):
        if set(kernel) == set(stride) == {1} and not any(pad):
            np.matmul(grouped, image.reshape(num_group, -1, math.prod(sizes)), out=result)
            continue
        windows = _windows(_padded(image, pad), kernel, stride, dilate, sizes)
        if channels == num_group:
            _depthwise(windows, weight, result.reshape(*result.shape[:2], *sizes))
        else:
            _by_columns(windows, grouped, result)
    if bias is not None:
        out += bias.reshape(num_group, -1, 1)
    return out.reshape(batch, num_filter, *sizes)


def _padded(image: Array, pad: Sizes) -> Array:
    if not any(pad):
        return np.ascontiguousarray(image)
    padded = np.zeros(
        (image.shape[0], *(n + 2 * p for n, p in zip(image.shape[1:], pad, strict=True))),
        image.dtype,
    )
    inner = (slice(p, p + n) for n, p in zip(image.shape[1:], pad, strict=True))
    padded[(slice(None), *inner)] = image
    return padded


def _windows(padded: Array, kernel: Sizes, stride: Sizes, dilate: Sizes, sizes: Sizes) -> Array:
    """What each place of the kernel sees, (channels, *kernel, *sizes): a view of the image."""
    channel, *steps = padded.strides
    return as_strided(
        padded,
        (padded.shape[0], *kernel, *sizes),
        (
            channel,
            *(step * d for step, d in zip(steps, dilate, strict=True)),
            *(step * s for step, s in zip(steps, stride, strict=True)),
        ),
        writeable=False,
    )


def _by_columns(windows: Array, grouped: Array, result: Array) -> None:
    """Copy windows into columns, a few rows of the image at a time, and multiply."""
    groups, _, depth = grouped.shape
    dimensions = (windows.ndim - 1) // 2
    rows, *rest = windows.shape[1 + dimensions :]
    width = math.prod(rest)
    at_once = max(1, min(rows, BLOCK // (groups * depth * width)))
    for row in range(0, rows, at_once):
        part = windows[(slice(None),) * (1 + dimensions) + (slice(row, row + at_once),)]
        columns = part.reshape(groups, depth, -1)  # the copy
        np.matmul(grouped, columns, out=result[..., row * width : row * width + columns.shape[-1]])


def _depthwise(windows: Array, weight: Array, result: Array) -> None:
    """One input channel a group: a sum over the kernel's places, without columns."""
    kernel = weight.shape[2:]
    scales = weight.reshape(*result.shape[:2], *kernel)
    term = np.empty_like(result)
    result[...] = 0
    for place in np.ndindex(*kernel):
        seen = windows[(slice(None), *place)][:, None]
        scale = scales[(slice(None), slice(None), *place)]
        np.multiply(seen, scale.reshape(*scale.shape, *(1,) * len(kernel)), out=term)
        result += term


@computes("Deconvolution", without_effect=TUNING)
def deconvolution(
    data: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    kernel: Sizes,
    stride: Sizes,
    dilate: Sizes,
    pad: Sizes,
    adj: Sizes,
    target_shape: Sizes,
    num_filter: int,
    num_group: int,
    no_bias: bool,
    layout: str | None,
) -> Array:
    """The transpose of a convolution; the weight is (channels, filters / groups, *kernel).

    A target shape that is not all zeros replaces `pad` and `adj`: apache/mxnet 1.9.1
    src/operator/nn/deconvolution-inl.h, InferPad; the same in 1.5.0.
    """
    _channels_first(layout, data)
    require(no_bias == (bias is None), "no_bias does not agree with the inputs")
    stride, dilate, pad = _spatial(kernel, stride, dilate, pad)
    adj = adj or (0,) * len(kernel)
    batch, channels, *sizes = data.shape
    expected = (channels, num_filter // num_group, *kernel)
    require(weight.shape == expected, f"the weight has shape {weight.shape}, not {expected}")
    spread = tuple(
        s * (size - 1) + d * (k - 1) + 1
        for size, k, s, d in zip(sizes, kernel, stride, dilate, strict=True)
    )
    if any(target_shape):
        over = [full - target for full, target in zip(spread, target_shape, strict=True)]
        require(min(over) >= 0, f"the target shape {target_shape} is larger than {spread}")
        pad, adj = tuple((o + 1) // 2 for o in over), tuple(o % 2 for o in over)
    require(all(a < s for a, s in zip(adj, stride, strict=True)), "adj is not below stride")
    ends = tuple(full - p + a for full, p, a in zip(spread, pad, adj, strict=True))
    require(all(e > p for e, p in zip(ends, pad, strict=True)), "nothing of the output is left")
    grouped = weight.reshape(num_group, channels // num_group, num_filter // num_group, *kernel)
    whole = np.zeros(
        (num_group, num_filter // num_group, *(f + a for f, a in zip(spread, adj, strict=True))),
        data.dtype,
    )
    inner = tuple(slice(p, e) for p, e in zip(pad, ends, strict=True))
    out = np.empty(
        (batch, num_filter, *(e - p for p, e in zip(pad, ends, strict=True))), data.dtype
    )
    for image, result in zip(data, out, strict=True):
        whole[...] = 0
        columns = image.reshape(num_group, channels // num_group, -1)
        for place in np.ndindex(*kernel):
            reached = tuple(
                slice(p * d, p * d + s * (size - 1) + 1, s)
                for p, d, s, size in zip(place, dilate, stride, sizes, strict=True)
            )
            scale = grouped[(slice(None),) * 3 + place].swapaxes(1, 2)
            # one channel a group is no product of matrices
            term = scale * columns if channels == num_group else scale @ columns
            whole[(slice(None), slice(None), *reached)] += term.reshape(*scale.shape[:2], *sizes)
        result[...] = whole[(slice(None), slice(None), *inner)].reshape(result.shape)
    if bias is not None:
        out += bias.reshape(-1, *(1,) * len(kernel))
    return out
