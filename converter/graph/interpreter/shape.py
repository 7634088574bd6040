"""What changes the shape or the order of axes and no number."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from converter.graph.interpreter.operator import Array, computes, require

Sizes = tuple[int, ...]


@computes("Reshape")
def reshape(
    data: Array, *, shape: Sizes, reverse: bool, target_shape: Sizes, keep_highest: bool
) -> Array:
    """The special numbers of `shape`: 0 keeps a size, -1 infers it, -2 keeps all that are left,
    -3 joins two, -4 splits one by the two numbers behind it; with `reverse`, from the right.

    `target_shape`, of old graphs, has 0 for the size to infer. apache/mxnet 1.9.1
    src/operator/tensor/matrix_op-inl.h, InferReshapeShape and ReshapeShape.
    """
    if shape:
        sizes, wanted = list(data.shape), list(shape)
        if reverse:
            sizes.reverse()
            wanted.reverse()
        found = _reshaped(sizes, wanted, data.size)
        return data.reshape(found[::-1] if reverse else found)
    require(len(target_shape) > 0, "neither shape nor target_shape says anything")
    old = list(target_shape)
    if keep_highest:
        old[0] = data.shape[0]
    first = 1 if keep_highest else 0
    unknown = [n for n, size in enumerate(old) if size == 0 and n >= first]
    if len(unknown) == 1:
        old[unknown[0]] = -1
    return data.reshape(old)


def _reshaped(sizes: list[int], wanted: list[int], total: int) -> list[int]:
    found: list[int] = []
    place, inferred = 0, None
    numbers = iter(wanted)
    for number in numbers:
        match number:
            case 0:
                require(place < len(sizes), "0 keeps a size, and the data has no more")
                found.append(sizes[place])
                place += 1
            case -1:
                require(inferred is None, "-1 stands for two sizes")
                inferred = len(found)
                found.append(1)
                place += 1
            case -2:
                found += sizes[place:]
                place = len(sizes)
            case -3:
                require(place + 1 < len(sizes), "-3 joins two sizes, and the data has no more")
                found.append(sizes[place] * sizes[place + 1])
                place += 2
            case -4:
                require(place < len(sizes), "-4 splits a size, and the data has no more")
                found += _split(sizes[place], next(numbers, None), next(numbers, None))
                place += 1
            case _:
                require(number > 0, f"{number} is no size")
                found.append(number)
                place += 1
    if inferred is not None:
        known = math.prod(found)
        require(known > 0 == total % known, f"{total} values are no multiple of {known}")
        found[inferred] = total // known
    return found


def _split(size: int, first: int | None, second: int | None) -> list[int]:
    if first is None or second is None:
        raise ValueError("two numbers belong behind -4")
    require(first != 0 != second, "-4 splits into 0")
    if first == -1:
        first = size // second
    elif second == -1:
        second = size // first
    require(first * second == size, f"{first} × {second} is not {size}")
    return [first, second]


@computes("Flatten")
def flatten(data: Array) -> Array:
    """(batch, all others): apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h."""
    return data.reshape(data.shape[0], -1)


@computes("reshape_like")
def reshape_like(
    lhs: Array,
    rhs: Array,
    *,
    lhs_begin: int | None,
    lhs_end: int | None,
    rhs_begin: int | None,
    rhs_end: int | None,
) -> Array:
    """The left, whose sizes from begin to end become those of the right.

    apache/mxnet 1.9.1 src/operator/tensor/elemwise_unary_op_basic.cc, ReshapeLikeShapeCompute.
    """
    left, right = _range(lhs.ndim, lhs_begin, lhs_end), _range(rhs.ndim, rhs_begin, rhs_end)
    return lhs.reshape(
        *lhs.shape[: left.start], *rhs.shape[right.start : right.stop], *lhs.shape[left.stop :]
    )


def _range(dimensions: int, begin: int | None, end: int | None) -> range:
    start, stop = (
        default if place is None else place + dimensions * (place < 0)
        for place, default in ((begin, 0), (end, dimensions))
    )
    require(0 <= start < stop <= dimensions, f"{begin} to {end} are no axes of {dimensions}")
    return range(start, stop)


@computes("transpose")
def transpose(data: Array, *, axes: Sizes) -> Array:
    """() turns all axes round: apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h."""
    return data.transpose(axes or None)


@computes("SwapAxis")
def swap_axis(data: Array, *, dim1: int, dim2: int) -> Array:
    """apache/mxnet 1.9.1 src/operator/swapaxis-inl.h."""
    return data.swapaxes(dim1, dim2)


@computes("expand_dims")
def expand_dims(data: Array, *, axis: int) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h."""
    return np.expand_dims(data, axis)


@computes("squeeze")
def squeeze(data: Array, *, axis: Sizes | None) -> Array:
    """Of an array of ones, one remains: apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h."""
    out = np.squeeze(data, axis)
    return out if out.ndim else out.reshape(1)


@computes("reverse")
def reverse(data: Array, *, axis: Sizes) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/matrix_op-inl.h."""
    return np.flip(data, axis)


@computes("depth_to_space")
def depth_to_space(data: Array, *, block_size: int) -> Array:
    """(n, b × b × c, h, w) → (n, c, h × b, w × b): src/operator/tensor/matrix_op-inl.h, 1.9.1."""
    batch, depth, height, width = data.shape
    blocks = data.reshape(batch, block_size, block_size, -1, height, width)
    return blocks.transpose(0, 3, 4, 1, 5, 2).reshape(
        batch, depth // block_size**2, height * block_size, width * block_size
    )


@computes("space_to_depth")
def space_to_depth(data: Array, *, block_size: int) -> Array:
    """The inverse of `depth_to_space`: src/operator/tensor/matrix_op-inl.h, 1.9.1."""
    batch, depth, height, width = data.shape
    tall, wide = height // block_size, width // block_size
    blocks = data.reshape(batch, depth, tall, block_size, wide, block_size)
    return blocks.transpose(0, 3, 5, 1, 2, 4).reshape(batch, depth * block_size**2, tall, wide)


@computes("broadcast_to")
def broadcast_to(data: Array, *, shape: Sizes) -> Array:
    """0 keeps a size: apache/mxnet 1.9.1 src/operator/tensor/broadcast_reduce_op.h."""
    require(len(shape) == data.ndim, f"{data.shape} and {shape} have not as many dimensions")
    return np.broadcast_to(data, [new or old for new, old in zip(shape, data.shape, strict=True)])


@computes("broadcast_axis")
def broadcast_axis(data: Array, *, axis: Sizes, size: Sizes) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/broadcast_reduce_op.h."""
    return _broadcast(data, zip(axis, size, strict=True))


@computes("broadcast_like")
def broadcast_like(
    lhs: Array, rhs: Array, *, lhs_axes: Sizes | None, rhs_axes: Sizes | None
) -> Array:
    """The left in the right's sizes, of all axes or those named: tensor/broadcast_reduce_op.h."""
    if lhs_axes is None or rhs_axes is None:
        require(lhs.ndim == rhs.ndim, f"{lhs.shape} and {rhs.shape} have not as many dimensions")
        return np.broadcast_to(lhs, rhs.shape)
    return _broadcast(lhs, ((a, rhs.shape[b]) for a, b in zip(lhs_axes, rhs_axes, strict=True)))


def _broadcast(data: Array, wanted: Iterator[tuple[int, int]]) -> Array:
    shape = list(data.shape)
    for axis, size in wanted:
        require(shape[axis] == 1, f"axis {axis} of {data.shape} has not the size 1")
        shape[axis] = size
    return np.broadcast_to(data, shape)


@computes("shape_array")
def shape_array(data: Array) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/elemwise_unary_op_basic.cc."""
    return np.array(data.shape, np.int64)


@computes("size_array")
def size_array(data: Array) -> Array:
    """apache/mxnet 1.9.1 src/operator/tensor/elemwise_unary_op_basic.cc."""
    return np.array([data.size], np.int64)
