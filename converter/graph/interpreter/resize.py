"""Images resized, sampled in regions, and compared with one another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from converter.graph.interpreter.convolution import deconvolution
from converter.graph.interpreter.operator import Array, Unhandled, computes, require


@computes("UpSampling", without_effect=("num_args", "workspace"))
def up_sampling(
    *data: Array, scale: int, num_filter: int, sample_type: str, multi_input_mode: str
) -> Array:
    """Each pixel `scale` times, all images as large as the first; or a Deconvolution by the weight.

    apache/mxnet 1.9.1 src/operator/nn/upsampling-inl.h.
    """
    match sample_type:
        case "bilinear":
            return _by_weight(*data, scale=scale, num_filter=num_filter)
        case "nearest":
            height = data[0].shape[2] * scale
            images = [_repeated(image, height // image.shape[2]) for image in data]
            if multi_input_mode == "sum":
                return np.sum(images, axis=0, dtype=data[0].dtype)
            return np.concatenate(images, 1)
    raise Unhandled("sample_type", sample_type)


def _repeated(image: Array, times: int) -> Array:
    return image.repeat(times, 2).repeat(times, 3)


def _by_weight(data: Array, weight: Array, *, scale: int, num_filter: int) -> Array:
    kernel = 2 * scale - scale % 2
    return deconvolution(
        data,
        weight,
        kernel=(kernel, kernel),
        stride=(scale, scale),
        dilate=(),
        pad=(math.ceil((scale - 1) / 2),) * 2,
        adj=(),
        target_shape=(),
        num_filter=num_filter,
        num_group=num_filter,
        no_bias=True,
        layout=None,
    )


@computes("_contrib_BilinearResize2D")
def bilinear_resize(
    data: Array,
    like: Array | None = None,
    *,
    height: int,
    width: int,
    scale_height: float | None,
    scale_width: float | None,
    mode: str,
    align_corners: bool,
) -> Array:
    """Interpolated between the nearest pixels of each axis.

    apache/mxnet 1.9.1 src/operator/contrib/bilinear_resize-inl.h and bilinear_resize.cc.
    """
    old = data.shape[2:4]
    scales = (scale_height, scale_width)
    match mode:
        case "size" if scale_height is not None:
            sizes = [int(n * np.float32(s)) for n, s in zip(old, scales, strict=True)]
        case "size":
            sizes = [height, width]
        case "odd_scale":
            sizes = [
                int((n - n % 2) * np.float32(s)) + n % 2 for n, s in zip(old, scales, strict=True)
            ]
        case "like" if like is not None:
            sizes = list(like.shape[2:4])
        case "to_even_down":
            sizes = [n - n % 2 for n in old]
        case "to_even_up":
            sizes = [n + n % 2 for n in old]
        case "to_odd_down":
            sizes = [n - 1 + n % 2 for n in old]
        case "to_odd_up":
            sizes = [n + 1 - n % 2 for n in old]
        case _:
            raise Unhandled("mode", mode)
    require(min(sizes) > 0, f"the new size is {sizes}")
    if tuple(sizes) == old:
        return data
    return _interpolated(
        _interpolated(data, 3, sizes[1], align_corners), 2, sizes[0], align_corners
    )


def _interpolated(data: Array, axis: int, size: int, align_corners: bool) -> Array:
    old, real = data.shape[axis], np.float32
    if align_corners:
        scale = real(old - 1) / real(size - 1) if size > 1 else real(0)
        place = np.arange(size, dtype=real) * scale
    else:
        scale = real(old) / real(size) if size > 1 else real(0)
        place = np.maximum(scale * (np.arange(size) + 0.5) - 0.5, 0).astype(real)
    first = place.astype(np.int64)
    second = np.minimum(first + 1, old - 1)
    weight = (place - first).astype(data.dtype).reshape(-1, *(1,) * (data.ndim - axis - 1))
    return np.asarray(data.take(first, axis) * (1 - weight) + data.take(second, axis) * weight)


@computes("_contrib_ROIAlign")
def roi_align(
    data: Array,
    rois: Array,
    *,
    pooled_size: tuple[int, ...],
    spatial_scale: float,
    sample_ratio: int,
    position_sensitive: bool,
    aligned: bool,
) -> Array:
    """Means of interpolated samples in the parts of each region (image, left, top, right, bottom).

    apache/mxnet 1.9.1 src/operator/contrib/roi_align.cc, ROIAlignForward. A sample's weight is a
    product of one for its row and one for its column, so a region is two products of matrices.
    """
    require(len(pooled_size) == 2 and rois.shape[-1] == 5, "regions have five numbers")
    real = data.dtype.type
    height, width = data.shape[2:]
    parts = pooled_size[0] * pooled_size[1] if position_sensitive else 1
    require(data.shape[1] % parts == 0, f"{data.shape[1]} channels are no multiple of {parts}")
    out = np.zeros((len(rois), data.shape[1] // parts, *pooled_size), data.dtype)
    for region, result in zip(rois, out, strict=True):
        if region[0] < 0:
            continue
        left, top, right, bottom = region[1:] * real(spatial_scale) - real(0.5 * aligned)
        sides = (top, bottom - top, height), (left, right - left, width)
        rows, columns = (
            _sampled(begin, length if aligned else max(length, real(1)), size, count, sample_ratio)
            for (begin, length, size), count in zip(sides, pooled_size, strict=True)
        )
        found = rows @ data[int(region[0])] @ columns.T
        if position_sensitive:
            place = np.arange(parts).reshape(pooled_size)
            y, x = np.indices(pooled_size)
            found = found.reshape(-1, parts, *pooled_size)[:, place, y, x]
        result[...] = found
    return out


def _sampled(begin: Array, length: Array, size: int, count: int, ratio: int) -> Array:
    """What each pixel of an axis gives to each of `count` parts, (count, size)."""
    require(bool(length > 0), "a region has no size")
    real = begin.dtype.type
    step = length / real(count)
    samples = ratio if ratio > 0 else math.ceil(length / count)
    offsets = (np.arange(samples, dtype=begin.dtype) + real(0.5)) * step / real(samples)
    place = begin + np.arange(count, dtype=begin.dtype)[:, None] * step + offsets
    inside = (place >= -1) & (place <= size)
    place = np.minimum(np.maximum(place, 0), size - 1)
    low = place.astype(np.int64)
    share = np.where(inside, place - low, 0)
    weights = np.zeros((count, size), begin.dtype)
    part = np.broadcast_to(np.arange(count)[:, None], low.shape)
    np.add.at(weights, (part, low), np.where(inside, 1 - share, 0))
    np.add.at(weights, (part, np.minimum(low + 1, size - 1)), share)
    return np.asarray(weights / real(samples))


@computes("ROIPooling")
def roi_pooling(
    data: Array, rois: Array, *, pooled_size: tuple[int, ...], spatial_scale: float
) -> Array:
    """Maxima of the parts of each region (image, left, top, right, bottom), in whole pixels.

    apache/mxnet 1.9.1 src/operator/roi_pooling.cc, ROIPoolForward.
    """
    require(len(pooled_size) == 2, "pooled_size is two numbers")
    out = np.zeros((len(rois), data.shape[1], *pooled_size), data.dtype)
    for region, result in zip(rois, out, strict=True):
        scaled = region[1:] * data.dtype.type(spatial_scale)
        left, top, right, bottom = (int(math.copysign(math.floor(abs(n) + 0.5), n)) for n in scaled)
        if not 0 <= int(region[0]) < len(data):
            continue
        image = data[int(region[0])]
        rows = _parts(top, bottom, pooled_size[0], image.shape[1], data.dtype)
        columns = _parts(left, right, pooled_size[1], image.shape[2], data.dtype)
        for y, row in enumerate(rows):
            for x, column in enumerate(columns):
                seen = image[:, row, column]
                result[:, y, x] = seen.max((1, 2)) if seen.size else 0
    return out


def _parts(begin: int, end: int, count: int, size: int, dtype: np.dtype[Any]) -> list[slice]:
    step = dtype.type(max(end - begin + 1, 1)) / dtype.type(count)
    found = []
    for n in range(count):
        first, last = math.floor(dtype.type(n) * step), math.ceil(dtype.type(n + 1) * step)
        first, last = (min(max(place + begin, 0), size) for place in (first, last))
        found.append(slice(first, max(first, last)))
    return found


@computes("Correlation")
def correlation(
    data1: Array,
    data2: Array,
    *,
    kernel_size: int,
    max_displacement: int,
    stride1: int,
    stride2: int,
    pad_size: int,
    is_multiply: bool,
) -> Array:
    """Mean product, or absolute difference, of patches of both images, for each displacement.

    apache/mxnet 1.9.1 src/operator/correlation.cc, CorrelationForward: patches begin at the place,
    and do not lie around it.
    """
    require(kernel_size % 2 == 1, f"kernel_size is odd, not {kernel_size}")
    require(data1.shape == data2.shape, f"{data1.shape} and {data2.shape} are not the same shape")
    border = max_displacement + (kernel_size - 1) // 2
    widths = ((0, 0), (0, 0), (pad_size, pad_size), (pad_size, pad_size))
    first, second = np.pad(data1, widths), np.pad(data2, widths)
    height, width = (-(-(size - 2 * border) // stride1) for size in first.shape[2:])
    require(min(height, width) > 0, "neighbourhood and kernel do not fit into the image")
    radius = max_displacement // stride2
    moves = [n * stride2 for n in range(-radius, radius + 1)]
    out = np.zeros((len(data1), len(moves) ** 2, height, width), data1.dtype)

    def patch(image: Array, y: int, x: int) -> Array:
        return image[:, :, y : y + stride1 * height : stride1, x : x + stride1 * width : stride1]

    for channel, (down, right) in enumerate((y, x) for y in moves for x in moves):
        for y, x in np.ndindex(kernel_size, kernel_size):
            top, left = max_displacement + y, max_displacement + x
            one, other = patch(first, top, left), patch(second, top + down, left + right)
            joined = one * other if is_multiply else np.abs(one - other)
            out[:, channel] += joined.sum(1)
    out /= data1.dtype.type(kernel_size**2 * data1.shape[1])
    return out
