"""The dtype of what a call puts out: mostly that of its first input.

Written from the `FInferType` (or `InferType`) of apache/mxnet 1.9.1, in the files of the shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from converter.graph.operators import Call

Dtype = np.dtype[Any]
FLOAT32, INT64 = np.dtype(np.float32), np.dtype(np.int64)

# Operators whose attribute `dtype` says it: of the output, or of the indices that are put out
BY_ATTRIBUTE = (
    *("Cast", "amp_cast", "_zeros", "_ones", "_full", "_eye", "_arange", "one_hot"),
    *("argsort", "softmax", "log_softmax", "softmin", "sum", "mean", "prod", "nansum", "nanprod"),
)
# The dtype of these is another input's than the first
OF_INPUT = {"Embedding": "weight", "where": "x"}
COUNTS = ("shape_array", "size_array", "_contrib_index_array")


def named(name: str) -> Dtype:
    """The dtype that MXNet means by a name."""
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def dtypes(call: Call, inputs: Sequence[Dtype | None]) -> list[Dtype]:
    """The dtypes of a call's outputs; None is that of an input that is not known (a label)."""
    by_name = dict(zip(call.names, inputs, strict=True))
    first = next((dtype for dtype in inputs if dtype is not None), FLOAT32)
    attribute: Any = call.attributes.get("dtype")
    if call.op in COUNTS:
        return [INT64]
    if call.op == "topk":
        indices = named(attribute)
        return [indices] if call.attributes["ret_typ"] == "indices" else [first, indices]
    if call.op == "amp_cast" and not _is_float(first):
        return [first]
    if call.op.endswith("_scalar") and not call.attributes.get("is_int", True):
        # NumpyBinaryScalarType: a whole number and a broken one; MXNet 1.5 has no such attribute
        return [np.dtype(np.float64) if first.kind in "iub" else first]
    if call.op in BY_ATTRIBUTE and attribute is not None:
        return [named(attribute)]
    if call.op == "norm" and call.attributes["out_dtype"] is not None:
        return [named(call.attributes["out_dtype"])]
    if call.op == "amp_multicast":
        return _multicast(call, [first if dtype is None else dtype for dtype in inputs])
    own = by_name.get(OF_INPUT.get(call.op, ""))
    first = own if own is not None else first
    statistics = FLOAT32 if call.op.endswith("BatchNorm") and first.itemsize == 2 else first
    return [first, *(statistics for _ in range(call.outputs - 1))]


def _is_float(dtype: Dtype) -> bool:
    return dtype in (np.float16, np.float32, ml_dtypes.bfloat16)


def _multicast(call: Call, inputs: Sequence[Dtype]) -> list[Dtype]:
    """src/operator/tensor/amp_cast.h, AMPMultiCastType: floats to the widest, or the narrowest."""
    narrow = call.attributes["cast_narrow"]
    floats = [dtype for dtype in inputs if _is_float(dtype)]
    chosen = (min if narrow else max)(floats, key=lambda dtype: dtype.itemsize, default=FLOAT32)
    return [chosen if _is_float(dtype) else dtype for dtype in inputs]
