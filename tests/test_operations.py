"""Every operation: its inverse gives back the very bits, and it says which shape it makes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.operations import (
    OPERATIONS,
    PAD,
    RANGE,
    SPLIT,
    SPLIT_HEADS,
    TRANSPOSE,
    TRANSPOSE_SPLIT_HEADS,
    UNSCRAMBLE,
    Operation,
    Shape,
)
from tests.params.strategies import dtype_of

FLOATS = [dtype_of(flag) for flag in (0, 1, 2, 12)]


@st.composite
def values(draw: st.DrawFn, shape: Shape) -> np.ndarray:
    """An array of any bits (NaNs with payloads included), C-contiguous, read-only, unaligned."""
    dtype = draw(st.shared(st.sampled_from(FLOATS), key="dtype"))
    size = math.prod(shape) * dtype.itemsize
    data = b"x" + draw(st.binary(min_size=size, max_size=size))
    return np.frombuffer(data, dtype, offset=1).reshape(shape)


def applied(
    operation: Operation, sources: list[np.ndarray], shapes: list[Shape], number: int
) -> list[bytes]:
    """What the writer makes of the operation: the bytes of every target."""
    if not operation.run:
        return [made.tobytes() for made in operation.forward(sources, number)]
    (source,) = sources
    made = []
    for part, shape in enumerate(shapes):
        run = operation.run(source.shape, part, number)
        assert run.zeros + run.stop - run.start == math.prod(shape)
        flat = source.reshape(-1)[run.start : run.stop]
        made.append(bytes(run.zeros * source.itemsize) + flat.tobytes())
    return made


def test_a_range_is_some_of_the_values() -> None:
    source = np.arange(10, dtype=np.float32)
    assert RANGE.run is not None
    run = RANGE.run(source.shape, 3, 7)
    assert source[run.start : run.stop].tolist() == [3, 4, 5, 6]
    assert run.zeros == 0


OF_TABLES = {name: one for name, one in OPERATIONS.items() if one is not RANGE}


@pytest.mark.parametrize("operation", OF_TABLES.values(), ids=OF_TABLES.keys())
@given(data=st.data(), number=st.integers(1, 4), rows=st.integers(1, 5), columns=st.integers(1, 5))
def test_a_verb_keeps_its_promises(
    operation: Operation, data: st.DataObject, number: int, rows: int, columns: int
) -> None:
    shape = {SPLIT: (rows * number, columns), UNSCRAMBLE: (rows * number,)}.get(
        operation, (rows, columns)
    )
    heads = {SPLIT_HEADS: columns, TRANSPOSE_SPLIT_HEADS: rows}.get(operation)
    told = operation.target_shape(shape, number)
    if heads:  # the source cannot tell them: any that divide
        size = data.draw(st.sampled_from([n for n in range(1, heads + 1) if heads % n == 0]))
        assert told[1:] == (None, None)
        told = (told[0], heads // size, size)
    target = tuple(size for size in told if size is not None)
    assert operation.source_shape(target, number) == shape
    parts = {SPLIT: number, UNSCRAMBLE: 3}.get(operation, 1)
    sources = [data.draw(values(shape)) for _ in range(operation.sources)]
    made = applied(operation, sources, [target] * parts, number)
    assert [len(m) for m in made] == [math.prod(target) * sources[0].itemsize] * parts
    if operation.run:
        runs = [operation.run(shape, part, number) for part in range(parts)]
        assert [(run.start, run.stop) for run in runs] == [
            (part * math.prod(shape) // parts, (part + 1) * math.prod(shape) // parts)
            for part in range(parts)
        ], "every value of the source, once and in order"
        with pytest.raises(TypeError, match="streamed"):
            operation.forward(sources, number)
        return
    written = [np.frombuffer(m, sources[0].dtype).reshape(target) for m in made]
    back = operation.inverse(written, number)
    assert [b.shape for b in back] == [shape] * operation.sources
    assert [b.tobytes() for b in back] == [source.tobytes() for source in sources]


@given(shape=st.lists(st.integers(0, 9), max_size=5).filter(lambda s: len(s) != 2))
@pytest.mark.parametrize("operation", [TRANSPOSE, SPLIT_HEADS, TRANSPOSE_SPLIT_HEADS])
def test_some_verbs_take_two_dimensions_only(operation: Operation, shape: list[int]) -> None:
    with pytest.raises(ValueError, match=f"2 dimensions, not {len(shape)}"):
        operation.target_shape(tuple(shape), 0)


@pytest.mark.parametrize("operation", [PAD, SPLIT])
def test_a_scalar_has_no_rows(operation: Operation) -> None:
    with pytest.raises(ValueError, match="at least 1 dimension"):
        operation.target_shape((), 2)


def test_rows_that_do_not_split_are_refused() -> None:
    with pytest.raises(ValueError, match="7 rows do not split into 3"):
        SPLIT.target_shape((7, 2), 3)


def test_transpose_swaps_rows_and_columns() -> None:
    (made,) = TRANSPOSE.forward([np.array([[1, 2, 3], [4, 5, 6]])], 0)
    assert made.tolist() == [[1, 4], [2, 5], [3, 6]]


def test_unscramble_is_what_gluonnlp_0_9_did() -> None:
    """Two heads of size 2: 0.9 read (q, k, v) of 12 numbers as (head, which, size)."""
    query, key, value = np.arange(12).reshape(3, 4)
    made = UNSCRAMBLE.forward([query, key, value], 2)
    assert [m.tolist() for m in made] == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
