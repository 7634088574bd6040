"""Shapes of what is made of nothing but attributes, or of the shape of a value."""

from __future__ import annotations

import math
from collections.abc import Sequence

from converter.graph.shapes.rules import At, Shape, Unfit, rule


@rule("_zeros", "_ones", "_full")
def filled(at: At) -> Sequence[Shape]:
    """src/operator/tensor/init_op.h, InitShape: a size of 0 is not known yet."""
    return [at.sizes("shape")]


@rule("_eye")
def eye(at: At) -> Sequence[Shape]:
    """src/operator/tensor/init_op.h, InitEyeShape."""
    return [(at["N"], at["M"] if at["M"] > 0 else at["N"])]


@rule("_arange")
def arange(at: At) -> Sequence[Shape]:
    """src/operator/tensor/init_op.h, RangeShape: a size of 0 is not known yet."""
    start, stop, step, times = at["start"], at["stop"], at["step"], at["repeat"]
    if stop is None and at["infer_range"]:
        return [(0,)]  # as long as what it is taken with
    if stop is None:
        start, stop = 0.0, start
    size = (stop - start) / step if step else 0.0
    if not math.isfinite(size) or size <= 0 or times < 1:
        raise Unfit(f"start={start}, stop={stop}, step={step}, repeat={times} make no numbers")
    return [(math.ceil(size) * times,)]


@rule("_contrib_arange_like")
def arange_like(at: At) -> Sequence[Shape]:
    """src/operator/tensor/init_op.h, RangeLikeShape."""
    return [at.data if at["axis"] is None else (at.data[at.axis("axis")],)]


@rule("_contrib_index_array")
def index_array(at: At) -> Sequence[Shape]:
    """src/operator/contrib/index_array.cc, IndexArrayOpShape."""
    return [(*at.data, len(at.data) if at["axes"] is None else len(at.axes("axes")))]


@rule("shape_array")
def shape_array(at: At) -> Sequence[Shape]:
    """src/operator/tensor/elemwise_unary_op_basic.cc."""
    return [(len(at.data),)]


@rule("size_array")
def size_array(at: At) -> Sequence[Shape]:
    """src/operator/tensor/elemwise_unary_op_basic.cc."""
    return [(1,)]
