"""Parts of arrays, and arrays put together."""

from __future__ import annotations

import numpy as np

from converter.graph.interpreter.operator import (
    Array,
    Unhandled,
    at,
    computes,
    real_axis,
    require,
)

Sizes = tuple[int, ...]


@computes("slice")
def slices(
    data: Array,
    *,
    begin: tuple[int | None, ...],
    end: tuple[int | None, ...],
    step: tuple[int | None, ...],
) -> Array:
    """As Python slices; axes that are not named stay whole.

    apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h, GetIndexRange.
    """
    require(len(begin) == len(end) <= data.ndim, "begin and end are not of the data's axes")
    require(not step or len(step) == len(begin), "step and begin are not of the same axes")
    steps = step or (None,) * len(begin)
    return data[tuple(slice(*part) for part in zip(begin, end, steps, strict=True))]


@computes("slice_axis")
def slice_axis(data: Array, *, axis: int, begin: int, end: int | None) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h, GetSliceAxisParams."""
    axis = real_axis(axis, data)
    size = data.shape[axis]
    start = begin + size * (begin < 0)
    stop = size if end is None else end + size * (end < 0)
    require(0 <= start < stop <= size, f"{begin} to {end} is no part of the axis' {size}")
    return data[at(axis, slice(start, stop))]


@computes("slice_like")
def slice_like(data: Array, shape_like: Array, *, axes: Sizes) -> Array:
    """The beginning of each axis, or of those named, as long as the other array's.

    apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h, SliceLikeShape.
    """
    require(bool(axes) or data.ndim == shape_like.ndim, "the arrays have not as many dimensions")
    for axis in axes or range(data.ndim):
        place = real_axis(axis, data)
        size = shape_like.shape[place]
        require(size <= data.shape[place], f"axis {axis} of {data.shape} is shorter than {size}")
        data = data[at(place, slice(0, size))]
    return data


@computes("Crop", without_effect=("num_args",))
def crop(*data: Array, offset: Sizes, h_w: Sizes, center_crop: bool) -> Array:
    """Height and width of the second input, or `h_w`, from the middle or an offset.

    apache/mxnet 1.9.1 src/operator/crop-inl.h.
    """
    image = data[0]
    height, width = data[1].shape[2:4] if len(data) > 1 else h_w
    if center_crop:
        top, left = (image.shape[2] - height) // 2, (image.shape[3] - width) // 2
    else:
        top, left = offset
    require(min(top, left, height - 1, width - 1) >= 0, "the part is no part of the image")
    part = image[:, :, top : top + height, left : left + width]
    require(part.shape[2:] == (height, width), "the part reaches beyond the image")
    return part


@computes("Pad")
def pad(data: Array, *, mode: str, pad_width: Sizes, constant_value: float) -> Array:
    """Two widths an axis, none of them for batch and channels: src/operator/pad-inl.h, 1.9.1."""
    require(len(pad_width) == 2 * data.ndim in (8, 10), "the data has 4 or 5 dimensions")
    require(not any(pad_width[:4]), "batch and channels are not padded")
    require(min(pad_width) >= 0, "a width is below zero")
    widths = list(zip(pad_width[::2], pad_width[1::2], strict=True))
    match mode:
        case "constant":
            return np.pad(data, widths, constant_values=data.dtype.type(constant_value))
        case "edge":
            return np.pad(data, widths, mode="edge")
        case "reflect":
            return np.pad(data, widths, mode="reflect")
    raise Unhandled("mode", mode)


@computes("Concat", without_effect=("num_args",))
def concat(*data: Array, dim: int) -> Array:
    """apache/mxnet 1.9.1 src/operator/nn/concat.cc."""
    _alike(data)
    return np.concatenate(data, dim)


@computes("_rnn_param_concat", without_effect=("num_args",))
def rnn_param_concat(*data: Array, dim: int) -> Array:
    """The packed vector of RNN's parameters: apache/mxnet 1.9.1 src/operator/nn/concat.cc."""
    _alike(data)
    return np.concatenate(data, dim)


@computes("stack", without_effect=("num_args",))
def stack(*data: Array, axis: int) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h."""
    _alike(data)
    return np.stack(data, axis)


def _alike(data: tuple[Array, ...]) -> None:
    dtypes = {array.dtype.name for array in data}
    require(len(dtypes) == 1, f"the arrays are of {', '.join(sorted(dtypes))}")


@computes("SliceChannel")
def slice_channel(
    data: Array, *, num_outputs: int, axis: int, squeeze_axis: bool
) -> tuple[Array, ...]:
    """Equal parts of one axis: apache/mxnet 1.9.1 src/operator/slice_channel-inl.h."""
    axis = real_axis(axis, data)
    require(data.shape[axis] % num_outputs == 0, f"{num_outputs} do not divide {data.shape[axis]}")
    parts = np.split(data, num_outputs, axis)
    return tuple(part.squeeze(axis) for part in parts) if squeeze_axis else tuple(parts)


@computes("_split_v2")
def split_v2(
    data: Array, *, indices: Sizes, axis: int, squeeze_axis: bool, sections: int
) -> tuple[Array, ...]:
    """So many sections, the first ones longer by one; or parts that begin at `indices`.

    apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h, SplitOpShapeImpl.
    """
    axis = real_axis(axis, data)
    if sections > 0:
        parts = np.array_split(data, sections, axis)
    else:
        ends = (*indices[1:], data.shape[axis])
        require(indices[0] == 0 and list(ends) == sorted(ends), f"{indices} are not in order")
        parts = [data[at(axis, slice(*part))] for part in zip(indices, ends, strict=True)]
    return tuple(part.squeeze(axis) for part in parts) if squeeze_axis else tuple(parts)


@computes("tile")
def tile(data: Array, *, reps: Sizes) -> Array:
    """As NumPy's: apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h."""
    require(min(reps, default=0) >= 0, f"reps {reps} are below zero")
    return np.tile(data, reps)


@computes("repeat")
def repeat(data: Array, *, repeats: int, axis: int | None) -> Array:
    """Each value so often; without an axis, of the flat array: tensor/matrix_op-inl.h, 1.9.1."""
    return np.repeat(data, repeats, axis)


@computes("diag")
def diag(data: Array, *, k: int, axis1: int, axis2: int) -> Array:
    """The diagonal of two axes, or a matrix that has the vector as its diagonal.

    apache/mxnet 1.9.1 src/operator/tensor/diag_op-inl.h.
    """
    return np.diag(data, k) if data.ndim == 1 else np.diagonal(data, k, axis1, axis2)
