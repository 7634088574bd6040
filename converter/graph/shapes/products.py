"""Shapes of products of vectors and matrices."""

from __future__ import annotations

from collections.abc import Sequence

from converter.graph.shapes.rules import At, Shape, Unfit, rule, shown


@rule("dot")
def dot(at: At) -> Sequence[Shape]:
    """src/operator/tensor/dot-inl.h, DotShape: the last axis with the first, as NumPy has none."""
    left, right = at.data, at.shape(1)
    if not left or not right:
        raise at.unlike(1)
    if len(left) == len(right) == 1:
        if left != right or at["transpose_a"] or at["transpose_b"]:
            raise at.unlike(1)
        return [(1,)]
    if at["transpose_a"]:
        inner, rows = left[:1], left[1:]
    else:
        inner, rows = left[-1:], left[:-1]
    if at["transpose_b"]:
        other, columns = right[-1:], right[:-1]
    else:
        other, columns = right[:1], right[1:]
    if at["transpose_a"] and len(left) == 1:
        inner, rows = left, ()
    if inner != other:
        raise at.unlike(1)
    return [(*(rows if len(left) > 1 else ()), *(columns if len(right) > 1 else ()))]


def multiplied(at: At, axis: int) -> Shape:
    """The shape of a product of stacks of matrices, whose rows stand along `axis`."""
    left, right = at.data, at.shape(1)
    rank = len(left)
    if len(right) != rank or any(left[n] != right[n] for n in range(rank - 1) if n != axis):
        raise at.unlike(1)
    rows, inner = left[axis], left[-1]
    other, columns = right[axis], right[-1]
    if at["transpose_a"]:
        rows, inner = inner, rows
    if at["transpose_b"]:
        other, columns = columns, other
    if inner != other:
        raise at.unlike(1)
    return (*left[:axis], rows, *left[axis + 1 : -1], columns)


@rule("batch_dot")
def batch_dot(at: At) -> Sequence[Shape]:
    """src/operator/tensor/dot-inl.h, BatchDotShape."""
    if len(at.data) < 3:
        raise at.unlike(1)
    return [multiplied(at, len(at.data) - 2)]


@rule("_linalg_gemm2", "_linalg_gemm")
def gemm(at: At) -> Sequence[Shape]:
    """src/operator/tensor/la_op.h, LaMatrixMultMacOpShape."""
    axis = at.axis("axis")
    if len(at.data) < 2 or axis == len(at.data) - 1:
        raise Unfit(f"axis={at['axis']} is no row axis of {shown(at.data)}")
    made = multiplied(at, axis)
    at.must("C", made)
    return [made]
