"""Every verb: its inverse gives back the very bits, and it says which shape it makes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.verbs import TRANSPOSE, VERBS, Verb
from tests.params.strategies import dtype_of

FLOATS = [dtype_of(flag) for flag in (0, 1, 2, 12)]


@st.composite
def values(draw: st.DrawFn) -> np.ndarray:
    """A 2-D array of any bits (NaNs with payloads included), C-contiguous, read-only, unaligned."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=2, max_size=2)))
    dtype = draw(st.sampled_from(FLOATS))
    size = math.prod(shape) * dtype.itemsize
    data = b"x" + draw(st.binary(min_size=size, max_size=size))
    return np.frombuffer(data, dtype, offset=1).reshape(shape)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
@given(value=values())
def test_a_verb_keeps_its_promises(verb: Verb, value: np.ndarray) -> None:
    made = verb.forward(value)
    assert made.dtype == value.dtype
    assert made.shape == verb.target_shape(value.shape)
    back = verb.inverse(made)
    assert (back.shape, back.tobytes()) == (value.shape, value.tobytes())
    if verb.moves_bytes:
        assert made.tobytes() == value.tobytes()


def test_only_a_verb_that_keeps_the_order_moves_bytes() -> None:
    value = np.arange(6, dtype="<f4").reshape(2, 3)
    kept = {name: verb.forward(value).tobytes() == value.tobytes() for name, verb in VERBS.items()}
    assert kept == {name: verb.moves_bytes for name, verb in VERBS.items()}


@given(shape=st.lists(st.integers(0, 9), max_size=5).filter(lambda s: len(s) != 2))
def test_transpose_takes_two_dimensions_only(shape: list[int]) -> None:
    with pytest.raises(ValueError, match=f"2 dimensions, not {len(shape)}"):
        TRANSPOSE.target_shape(tuple(shape))


def test_transpose_swaps_rows_and_columns() -> None:
    assert TRANSPOSE.forward(np.array([[1, 2, 3], [4, 5, 6]])).tolist() == [[1, 4], [2, 5], [3, 6]]
