"""Values by their places: taking, picking, gathering, choosing, masking sequences."""

from __future__ import annotations

import numpy as np

from converter.graph.interpreter.operator import Array, Unhandled, computes, dtype_named, require


def _places(indices: Array, size: int, mode: str) -> Array:
    """Indices of any dtype as places of an axis of this size."""
    places = indices.astype(np.int64)
    match mode:
        case "clip":
            return np.asarray(np.clip(places, 0, size - 1))
        case "wrap":
            return np.asarray(np.mod(places, size))
        case "raise":
            require(bool(((places >= 0) & (places < size)).all()), "an index is out of bounds")
            return places
    raise Unhandled("mode", mode)


@computes("take")
def take(a: Array, indices: Array, *, axis: int, mode: str) -> Array:
    """Along one axis: apache/mxnet 1.9.1 src/operator/tensor/indexing_op.cc."""
    return np.take(a, _places(indices, a.shape[axis], mode), axis)


@computes("batch_take")
def batch_take(a: Array, indices: Array) -> Array:
    """One value of each row: apache/mxnet 1.9.1 src/operator/tensor/indexing_op.h, batch_take."""
    rows = a.reshape(-1, a.shape[-1])
    places = _places(indices.reshape(-1), rows.shape[1], "clip")
    return rows[np.arange(len(rows)), places].reshape(indices.shape)


@computes("pick")
def pick(data: Array, index: Array, *, axis: int | None, keepdims: bool, mode: str) -> Array:
    """One value along the axis for each of the others' places.

    apache/mxnet 1.9.1 src/operator/tensor/broadcast_reduce_op.h, struct pick.
    """
    if axis is None:
        raise Unhandled("axis", axis)
    places = _places(index, data.shape[axis], mode)
    if places.ndim < data.ndim:
        places = np.expand_dims(places, axis)
    expected = np.empty(data.shape, bool).any(axis, keepdims=True).shape
    require(places.shape == expected, f"the index has shape {index.shape}, not {expected}")
    out = np.take_along_axis(data, places, axis)
    out = out if keepdims else out.squeeze(axis)
    return out if out.ndim else out.reshape(1)


@computes("gather_nd")
def gather_nd(data: Array, indices: Array) -> Array:
    """The first axis of `indices` says where, along the first axes of the data.

    apache/mxnet 1.9.1 src/operator/tensor/indexing_op.h, GatherNDForward.
    """
    where = []
    for axis, row in enumerate(indices.astype(np.int64)):
        size = data.shape[axis]
        require(bool(((row >= -size) & (row < size)).all()), "an index is out of bounds")
        where.append(row % size)
    return np.asarray(data[tuple(where)])


@computes("scatter_nd")
def scatter_nd(data: Array, indices: Array, *, shape: tuple[int, ...]) -> Array:
    """The inverse of `gather_nd`, zeros elsewhere: src/operator/tensor/indexing_op.h, 1.9.1."""
    out = np.zeros(shape, data.dtype)
    out[tuple(indices.astype(np.int64))] = data
    return out


@computes("one_hot")
def one_hot(indices: Array, *, depth: int, on_value: float, off_value: float, dtype: str) -> Array:
    """A last axis of `depth`; an index beyond it is nowhere: tensor/indexing_op.h, one_hot."""
    found = indices.astype(np.int64)[..., None] == np.arange(depth)
    on, off = (np.array(value).astype(dtype_named(dtype)) for value in (on_value, off_value))
    return np.where(found, on, off)


@computes("where")
def where(condition: Array, x: Array, y: Array) -> Array:
    """Of x where the condition is not 0; a condition of one dimension chooses whole rows.

    apache/mxnet 1.9.1 src/operator/tensor/control_flow_op.h.
    """
    require(x.shape == y.shape, f"{x.shape} and {y.shape} are not the same shape")
    if condition.shape != x.shape:
        require(condition.shape == x.shape[:1], f"a condition {condition.shape} of {x.shape}")
        condition = condition.reshape(-1, *(1,) * (x.ndim - 1))
    return np.where(condition != 0, x, y)


@computes("_ravel_multi_index")
def ravel_multi_index(data: Array, *, shape: tuple[int, ...]) -> Array:
    """Places in the flat array: apache/mxnet 1.9.1 src/operator/tensor/ravel.h."""
    steps = np.cumprod((1, *shape[:0:-1]))[::-1]
    beside = steps.reshape(-1, *(1,) * (data.ndim - 1))
    places = np.sum(data.astype(np.int64) * beside, axis=0)
    return np.asarray(places).astype(data.dtype).reshape(data.shape[1:] or (1,))


@computes("_unravel_index")
def unravel_index(data: Array, *, shape: tuple[int, ...]) -> Array:
    """The inverse of `ravel_multi_index`: apache/mxnet 1.9.1 src/operator/tensor/ravel.h."""
    found, place = [], data.astype(np.int64)
    for size in shape[:0:-1]:
        found.append(place % size)
        place = place // size
    return np.stack([place, *found[::-1]]).astype(data.dtype)


@computes("_contrib_index_array")
def index_array(data: Array, *, axes: tuple[int, ...] | None) -> Array:
    """A last axis of each value's place: apache/mxnet 1.9.1 src/operator/contrib/index_array.cc."""
    places = np.moveaxis(np.indices(data.shape, dtype=np.int64), 0, -1)
    return places if axes is None else places[..., list(axes)]


def _steps(data: Array, lengths: Array, axis: int) -> tuple[Array, Array]:
    """Each step's number and each sequence's length, beside data of (steps, batch) or the other."""
    if axis not in (0, 1):
        raise Unhandled("axis", axis)
    require(lengths.shape == (data.shape[1 - axis],), f"lengths of shape {lengths.shape}")
    numbers, length = np.arange(data.shape[axis]), lengths.astype(np.int64)
    more = (1,) * (data.ndim - 2)
    if axis == 0:
        return numbers.reshape(-1, 1, *more), length.reshape(1, -1, *more)
    return numbers.reshape(1, -1, *more), length.reshape(-1, 1, *more)


@computes("SequenceMask")
def sequence_mask(
    data: Array,
    sequence_length: Array | None = None,
    *,
    use_sequence_length: bool,
    value: float,
    axis: int,
) -> Array:
    """`value` behind the end of each sequence: apache/mxnet 1.9.1 src/operator/sequence_mask.cc."""
    require(use_sequence_length == (sequence_length is not None), "the lengths are not there")
    if sequence_length is None:
        return data
    step, length = _steps(data, sequence_length, axis)
    return np.where(step < length, data, data.dtype.type(value))


@computes("SequenceReverse")
def sequence_reverse(
    data: Array, sequence_length: Array | None = None, *, use_sequence_length: bool, axis: int
) -> Array:
    """Each sequence backwards, what is behind its end in place: sequence_reverse-inl.h, 1.9.1."""
    require(use_sequence_length == (sequence_length is not None), "the lengths are not there")
    if axis != 0:
        raise Unhandled("axis", axis)
    if sequence_length is None:
        return data[::-1]
    step, length = _steps(data, sequence_length, 0)
    places = np.where(step < length, length - 1 - step, step)
    return np.take_along_axis(data, np.broadcast_to(places, data.shape), 0)


@computes("SequenceLast")
def sequence_last(
    data: Array, sequence_length: Array | None = None, *, use_sequence_length: bool, axis: int
) -> Array:
    """The last step of each sequence: apache/mxnet 1.9.1 src/operator/sequence_last-inl.h."""
    require(use_sequence_length == (sequence_length is not None), "the lengths are not there")
    if sequence_length is None:
        return np.asarray(np.take(data, -1, axis))
    _, length = _steps(data, sequence_length, axis)
    require(bool((length > 0).all() and (length <= data.shape[axis]).all()), "a length is 0")
    last = np.broadcast_to(length - 1, (*data.shape[:axis], 1, *data.shape[axis + 1 :]))
    return np.take_along_axis(data, last, axis).squeeze(axis)
