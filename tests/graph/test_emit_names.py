"""What names and values of a graph are in the text of `model.py`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.graph.emit.helpers import helpers
from converter.graph.emit.literals import literal
from converter.graph.emit.names import MAX, RESERVED, Names, identifier
from tests.graph.allowed import IDENTIFIER
from tests.graph.emitting import NAMES


@given(st.lists(NAMES, max_size=50))
def test_names_are_unique_identifiers(texts: list[str]) -> None:
    names = Names(RESERVED)
    given_ = [names.new(text, "value") for text in texts]
    assert len({*given_}) == len(given_)
    assert not {*given_} & RESERVED
    for name in given_:
        assert IDENTIFIER.fullmatch(name), name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("stage1_unit1_conv1", "stage1_unit1_conv1"),
        ("a/b-c.0", "a_b_c_0"),
        ("_mulscalar0", "mulscalar0"),
        ("0conv", "n0conv"),
        ("ｃｏｎｖ", "conv"),
        ("卷积", "value"),
        ("", "value"),
        ("yolov3_" * 10 + "conv0", "yolov3_" * 7 + "conv0"),
        ("x" * 1000, "x" * MAX),
    ],
)
def test_names_say_what_the_graph_says(text: str, name: str) -> None:
    assert identifier(text, "value") == name


def test_names_of_helpers_and_builtins_are_kept() -> None:
    names = Names(frozenset(RESERVED | {*helpers()}))
    for name in ("self", "x", "print", "class", "match", "pool", "torch"):
        assert names.new(name, "value") == f"{name}_2"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0010000000474974513, "0.001"),
        (0.333999991, "0.334"),
        (0.00392156862745098, "0.00392156862745098"),
        (127.5, "127.5"),
        (1e30, "1e30"),
        (float("inf"), "torch.inf"),
        (float("-inf"), "-torch.inf"),
        (True, "True"),
        ((1,), "(1,)"),
        ((1, -2.5), "(1, -2.5)"),
        ((), "()"),
        (None, "None"),
        (np.dtype(np.int32), "torch.int32"),
    ],
)
def test_literals(value: object, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize("value", ["text", b"", float("nan"), {}, np.dtype("U3"), object()])
def test_other_values_are_no_literals(value: object) -> None:
    with pytest.raises(TypeError):
        literal(value)


@given(st.floats(allow_nan=False))
def test_a_number_is_written_within_float32(value: float) -> None:
    back = eval(literal(value), {"torch": np})
    assert back == value or np.float32(back) == np.float32(value)
