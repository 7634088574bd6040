"""Hypothesis strategies: arrays of every dtype and shape, and the files they stand in."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from tests.params.files import CPU, GPU, PINNED, VERSIONS, Array, File

# mshadow's type flags, by position: written a second time on purpose, as the tests' own knowledge.
FLAGS = (
    *("float32", "float64", "float16", "uint8", "int32", "int8", "int64"),
    *("bool", "int16", "uint16", "uint32", "uint64", "bfloat16"),
)


def dtype_of(flag: int) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16 if FLAGS[flag] == "bfloat16" else FLAGS[flag])


@st.composite
def arrays(draw: st.DrawFn, version: str) -> Array:
    # Only V3 has scalars; no MXNet before it wrote an array with a zero in its shape.
    least = 0 if version == "V3" else 1
    shape = tuple(draw(st.lists(st.integers(least, 4), min_size=least, max_size=4)))
    flag = draw(st.integers(0, len(FLAGS) - 1))
    size = math.prod(shape) * dtype_of(flag).itemsize
    data = draw(st.binary(min_size=size, max_size=size))
    if FLAGS[flag] == "bool":
        data = bytes(byte & 1 for byte in data)
    return Array(shape, data, flag, draw(st.sampled_from([CPU, GPU, PINNED])))


@st.composite
def files(draw: st.DrawFn) -> File:
    version = draw(st.sampled_from(VERSIONS))
    made = draw(st.lists(arrays(version), max_size=4))
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    names = draw(st.lists(text, min_size=len(made), max_size=len(made), unique=True))
    return File(made, names, version)
