"""Sizes that a graph leaves open follow the axis that they come from, whatever else is as long."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from converter.graph.emit import emit
from converter.graph.interpreter import run as reference
from tests.graph.emitting import difference, run, specs_of
from tests.graph.making import Making, Source

Shape = tuple[int, ...]


def begin(made: Making) -> Source:
    return made.call("_zeros", "begin", shape="(0, 4)")


def follows_the_second_axis() -> Making:
    """The steps are averaged away: the batch is axis 1, and there are as many steps."""
    made = Making()
    x = made.call("mean", "over", made.variable("data"), axis="0")
    made.call("elemwise_add", "sum", x, begin(made))
    return made


def follows_the_second_input() -> Making:
    """The first input is as long, and nothing joins it to the open size."""
    made = Making()
    one, two = made.variable("one"), made.variable("two")
    x = made.call("elemwise_add", "sum", two, begin(made))
    made.call("broadcast_add", "both", x, made.call("mean", "all", one, keepdims="True"))
    return made


def follows_nothing() -> Making:
    """It is the number of rows of a parameter; the batch is as long."""
    made = Making()
    data, weight = made.variable("data"), made.variable("weight")
    x = made.call("elemwise_add", "sum", weight, begin(made))
    made.call("FullyConnected", "fc", data, x, num_hidden="3", no_bias="True")
    return made


CASES = [
    (follows_the_second_axis, {"data": (3, 3, 4)}, {"data": (5, 2, 4)}),
    (follows_the_second_input, {"one": (3, 4), "two": (3, 4)}, {"one": (2, 4), "two": (6, 4)}),
    (follows_nothing, {"data": (3, 4), "weight": (3, 4)}, {"data": (5, 4), "weight": (3, 4)}),
]


@pytest.mark.parametrize(("making", "planned", "other"), CASES, ids=["axis", "input", "none"])
def test_an_open_size_follows_its_own_axis(
    making: Callable[[], Making], planned: dict[str, Shape], other: dict[str, Shape]
) -> None:
    program = making().program()
    random = np.random.default_rng(0)
    first, second = (
        {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        for shapes in (planned, other)
    )
    if "weight" in planned:
        second["weight"] = first["weight"]
    inputs = [name for name in planned if name != "weight"]
    emitted = emit(program, specs_of(program, first), inputs)
    for values in (first, second):
        *_, (_, (wanted, *_)) = reference(program, values)
        (found, *_) = run(emitted, values)
        assert difference(found, wanted) <= 1e-5
