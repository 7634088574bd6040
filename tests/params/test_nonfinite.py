"""NaN and infinities are counted as NumPy counts them, whatever the dtype and the pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import NonfiniteError
from converter.params import TensorEntry
from converter.params.nonfinite import NONE, Nonfinite, Tally, count_nonfinite, refuse_nonfinite
from tests.conftest import ROOT
from tests.params.strategies import FLAGS, dtype_of

FLOATS = [flag for flag, name in enumerate(FLAGS) if "float" in name]


@given(st.sampled_from(FLOATS), st.binary(max_size=64), st.lists(st.integers(0, 1000)))
def test_any_bits_are_counted_as_numpy_does(flag: int, data: bytes, special: list[int]) -> None:
    dtype = dtype_of(flag)
    rare = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], np.float32).astype(dtype)
    data = data[: len(data) // dtype.itemsize * dtype.itemsize]
    data += b"".join(rare[number % len(rare)].tobytes() for number in special)
    with np.errstate(invalid="ignore"):  # a signalling NaN of bfloat16 says so
        values = np.frombuffer(data, dtype).astype(np.float64)
    expected = Nonfinite(int(np.isnan(values).sum()), int(np.isinf(values).sum()))
    assert count_nonfinite(data, dtype) == expected
    assert bool(expected) == (not np.isfinite(values).all())


@pytest.mark.parametrize("flag", sorted({*range(len(FLAGS))} - {*FLOATS}))
def test_integers_and_bools_have_none(flag: int) -> None:
    assert count_nonfinite(b"\xff" * 64, dtype_of(flag)) == NONE


def test_tally_sums_over_pieces_and_refuses_all_at_once() -> None:
    values = np.array([1, np.nan, np.inf, 2, -np.inf, 3], np.float32)
    pieces = [memoryview(values[start : start + 2].tobytes()) for start in range(0, 6, 2)]
    tally = Tally()
    for name in ("a", "b"):
        entry = TensorEntry(name, values.dtype, (6,), 0, 24, "V2")
        assert [*tally.watch(entry, pieces)] == pieces
    assert tally.found == {"a": Nonfinite(1, 2), "b": Nonfinite(1, 2)}
    refuse_nonfinite(ROOT, tally.found, allowed=True)
    refuse_nonfinite(ROOT, {}, allowed=False)
    with pytest.raises(NonfiniteError, match="--allow-nonfinite") as caught:
        refuse_nonfinite(ROOT, tally.found, allowed=False)
    assert caught.value.problems == ("a: 1 NaN, 2 infinite", "b: 1 NaN, 2 infinite")
    assert caught.value.counts == tally.found
