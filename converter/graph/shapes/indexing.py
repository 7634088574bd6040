"""Shapes of what takes by index, sorts, reads sequences, and attends."""

from __future__ import annotations

from collections.abc import Sequence

from converter.graph.shapes.elementwise import reduced, reduced_axis
from converter.graph.shapes.rules import At, Shape, Unfit, product, rule, shown


@rule("Embedding")
def embedding(at: At) -> Sequence[Shape]:
    """src/operator/tensor/indexing_op.h, EmbeddingOpShape."""
    at.must("weight", (at["input_dim"], at["output_dim"]))
    return [(*at.data, at["output_dim"])]


@rule("take")
def take(at: At) -> Sequence[Shape]:
    """src/operator/tensor/indexing_op.h, TakeOpShape."""
    axis = at.axis("axis")
    return [(*at.data[:axis], *at.shape(1), *at.data[axis + 1 :])]


@rule("batch_take")
def batch_take(at: At) -> Sequence[Shape]:
    """src/operator/tensor/indexing_op.h, BatchTakeOpShape."""
    if len(at.data) < 2 or product(at.data[:-1]) != product(at.shape(1)):
        raise at.unlike(1)
    return [at.shape(1)]


@rule("pick")
def pick(at: At) -> Sequence[Shape]:
    """src/operator/tensor/broadcast_reduce_op.h, PickOpShape."""
    if at["axis"] is None:
        raise Unfit("axis=None is not supported by MXNet's pick")
    at.must("index", *(reduced_axis(at, keepdims) for keepdims in (True, False)))
    return [reduced_axis(at, at["keepdims"])]


@rule("one_hot")
def one_hot(at: At) -> Sequence[Shape]:
    """src/operator/tensor/indexing_op.h, OneHotOpShape."""
    return [(*at.data, at["depth"])]


@rule("gather_nd")
def gather_nd(at: At) -> Sequence[Shape]:
    """src/operator/tensor/indexing_op.h, GatherNDShape."""
    indices = at.shape(1)
    if len(indices) < 2 or indices[0] > len(at.data):
        raise at.unlike(1)
    return [(*indices[1:], *at.data[indices[0] :])]


@rule("scatter_nd")
def scatter_nd(at: At) -> Sequence[Shape]:
    """src/operator/tensor/indexing_op.h, ScatterNDShape."""
    indices, shape = at.shape(1), at.sizes("shape")
    if (
        len(indices) < 2
        or indices[0] > len(shape)
        or at.data
        != (
            *indices[1:],
            *shape[indices[0] :],
        )
    ):
        raise at.unlike(1)
    return [shape]


@rule("where")
def where(at: At) -> Sequence[Shape]:
    """src/operator/tensor/control_flow_op.h, WhereOpShape: a 1-D condition chooses rows."""
    condition, one, two = at.all
    if one != two or (condition != one and condition != one[:1]):
        raise at.unlike(1 if one == two else 2)
    return [one]


@rule("topk")
def topk(at: At) -> Sequence[Shape]:
    """src/operator/tensor/ordering_op-inl.h, ParseTopKParam; both values and indices are alike."""
    axis = None if at["axis"] is None else at.axis("axis")
    size = product(at.data) if axis is None else at.data[axis]
    k = at["k"] if at["k"] > 0 else size
    if k > size:
        raise Unfit(f"k={k} is more than the {size} of {at.tensor(0)} {shown(at.data)}")
    if at["ret_typ"] == "mask":
        return [at.data]
    made = (k,) if axis is None else (*at.data[:axis], k, *at.data[axis + 1 :])
    return [made, made]


@rule("sort", "argsort")
def sort(at: At) -> Sequence[Shape]:
    """src/operator/tensor/ordering_op-inl.h, SortShape: flat without an axis."""
    if at["axis"] is None:
        return [(product(at.data),)]
    at.axis("axis")
    return [at.data]


@rule("SequenceLast")
def sequence_last(at: At) -> Sequence[Shape]:
    """src/operator/sequence_last-inl.h, InferShape."""
    axis = at["axis"]
    if len(at.data) < 2 or axis not in (0, 1):
        raise Unfit(f"axis={axis} is no time axis of {at.tensor(0)} {shown(at.data)}")
    at.must("sequence_length", (at.data[1 - axis],))
    return [reduced(at, (axis,), keepdims=False)]


@rule("SequenceMask", "SequenceReverse")
def sequence(at: At) -> Sequence[Shape]:
    """src/operator/sequence_mask-inl.h and sequence_reverse-inl.h, InferShape."""
    axis = at.call.attributes.get("axis", 0)
    if len(at.data) < 2 or axis not in (0, 1):
        raise Unfit(f"axis={axis} is no time axis of {at.tensor(0)} {shown(at.data)}")
    at.must("sequence_length", (at.data[1 - axis],))
    return [at.data]


@rule("_unravel_index")
def unravel_index(at: At) -> Sequence[Shape]:
    """src/operator/tensor/ravel.h, UnravelOpShape."""
    return [(len(at.sizes("shape")), *at.rank(0, 1))]


@rule("_ravel_multi_index")
def ravel_multi_index(at: At) -> Sequence[Shape]:
    """src/operator/tensor/ravel.h, RavelOpShape."""
    if at.rank(0, 2)[0] != len(at.sizes("shape")):
        raise Unfit(f"shape={at['shape']} does not go with {at.tensor(0)} {shown(at.data)}")
    return [at.data[1:]]


@rule("_contrib_interleaved_matmul_selfatt_qk")
def self_attention_scores(at: At) -> Sequence[Shape]:
    """src/operator/contrib/transformer.cc, InterleavedMatMulSelfAttQKShape."""
    steps, batch, size = at.rank(0, 3)
    _heads(at, size, 3)
    return [(at["heads"] * batch, steps, steps)]


def _heads(at: At, size: int, parts: int) -> None:
    if at["heads"] < 1 or size % (parts * at["heads"]):
        raise Unfit(f"heads={at['heads']} does not divide the {size} of {at.tensor(0)} in {parts}")


@rule("_contrib_interleaved_matmul_selfatt_valatt")
def self_attention(at: At) -> Sequence[Shape]:
    """src/operator/contrib/transformer.cc, InterleavedMatMulSelfAttValAttShape."""
    steps, batch, size = at.rank(0, 3)
    _heads(at, size, 3)
    if at.rank(1, 3) != (at["heads"] * batch, steps, steps):
        raise at.unlike(1)
    return [(steps, batch, size // 3)]


@rule("_contrib_interleaved_matmul_encdec_qk")
def cross_attention_scores(at: At) -> Sequence[Shape]:
    """src/operator/contrib/transformer.cc, InterleavedMatMulEncDecQKShape."""
    steps, batch, size = at.rank(0, 3)
    keys, *rest = at.rank(1, 3)
    _heads(at, size, 1)
    if rest != [batch, 2 * size]:
        raise at.unlike(1)
    return [(at["heads"] * batch, steps, keys)]


@rule("_contrib_interleaved_matmul_encdec_valatt")
def cross_attention(at: At) -> Sequence[Shape]:
    """src/operator/contrib/transformer.cc, InterleavedMatMulEncDecValAttShape."""
    keys, batch, size = at.rank(0, 3)
    heads, steps, columns = at.rank(1, 3)
    _heads(at, size, 2)
    if (heads, columns) != (at["heads"] * batch, keys):
        raise at.unlike(1)
    return [(steps, batch, size // 2)]
