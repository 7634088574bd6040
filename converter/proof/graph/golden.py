"""Outputs that MXNet gave in someone's old environment, against the written module.

The file is what the script of `bort-convert record-golden` writes of a graph: an `.npz` with
`input:NAME` for each input and `output:0`, `output:1`, … for the outputs in their order, in the
dtypes that MXNet gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ConvertError, GraphError, safe
from converter.graph.shapes import Spec, infer
from converter.planning.graph import GraphPlan
from converter.proof.golden import read_recording
from converter.proof.graph.difference import NodeDifference
from converter.proof.graph.parity import compare_outputs, run_module

INPUT, OUTPUT = "input:", "output:"


@dataclass(frozen=True)
class GraphGolden:
    """`differences` are those of the outputs, judged against `atol` of each one's largest value.

    `recorded` is what the file says about where it was made.
    """

    passed: bool
    atol: float
    recorded: dict[str, Any]
    differences: tuple[NodeDifference, ...]
    problems: tuple[str, ...]


def check_graph_golden(plan: GraphPlan, directory: Path, path: Path, atol: float) -> GraphGolden:
    """Run the written module on the recorded inputs. Raises `ConvertError` for a bad file."""
    import torch

    arrays, recorded = read_recording(path)
    values = _inputs(plan, path, arrays)
    heads = plan.program.graph.heads
    expected = [arrays[f"{OUTPUT}{n}"] for n in range(len(heads)) if f"{OUTPUT}{n}" in arrays]
    if len(expected) != len(heads) or f"{OUTPUT}{len(heads)}" in arrays:
        count = sum(name.startswith(OUTPUT) for name in arrays)
        raise ConvertError(f"{path}: {count} outputs are recorded, and the graph has {len(heads)}")
    with torch.inference_mode():
        made = run_module(plan, directory, values)
    differences = tuple(
        compare_outputs(
            plan, dict(zip(heads, made, strict=True)), dict(zip(heads, expected, strict=True))
        )
    )
    problems = [
        f"the output {one.node} differs from the recorded one by {one.relative:.1e} of its largest "
        f"value, more than {atol:g} allows"
        for one in differences
        if not one.relative <= atol
    ]
    return GraphGolden(not problems, atol, recorded, differences, tuple(problems))


def _inputs(plan: GraphPlan, path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The recorded inputs. Raises `ConvertError` for what the graph cannot be given."""
    wanted = {one.name: one.spec for one in plan.inputs}
    given = {name[len(INPUT) :]: a for name, a in arrays.items() if name.startswith(INPUT)}
    if missing := [name for name in wanted if name not in given]:  # labels may be there too
        there = ", ".join(map(safe, given)) or "none"
        raise ConvertError(
            f"{path}: the input {', '.join(map(safe, missing))} is not recorded; there are: {there}"
        )
    values = {name: given[name].astype(spec.dtype) for name, spec in wanted.items()}
    specs = {name: Spec(value.shape, value.dtype) for name, value in values.items()}
    try:
        infer(plan.program, {**plan.parameters, **specs})
    except GraphError as error:
        problems = "; ".join([error.headline, *error.problems])
        raise ConvertError(f"{path}: the recorded inputs do not fit: {problems}") from error
    return values
