"""Shapes and dtypes of every output, against what real MXNet put out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from converter.errors import GraphError
from converter.graph.operators import Program, understand
from converter.graph.shapes import Spec, infer
from converter.graph.symbol import parse_symbol
from tests.graph.recordings import Case, cases_of, operators


def specs_of(values: Mapping[str, np.ndarray]) -> dict[str, Spec]:
    return {name: Spec(array.shape, array.dtype) for name, array in values.items()}


@pytest.mark.parametrize("operator", operators())
def test_shapes_and_dtypes_are_those_that_mxnet_puts_out(operator: str) -> None:
    for case in cases_of(operator):
        program = understood(case)
        if program:
            specs = infer(program, specs_of(case.values))
            assert_as_recorded(case, [specs[head] for head in program.graph.heads])


def understood(case: Case) -> Program | None:
    """The case's program; None where what it shows is refused by name."""
    try:
        return understand(parse_symbol(case.symbol))
    except GraphError as refusal:
        told = str(refusal)
    assert "not supported" in told, case
    return None


def assert_as_recorded(case: Case, found: list[Spec]) -> None:
    for version, outputs in case.outputs.items():
        assert [spec.shape for spec in found] == [array.shape for array in outputs], (case, version)
        assert [spec.dtype for spec in found] == [array.dtype for array in outputs], (case, version)
