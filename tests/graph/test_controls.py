"""Broken on purpose: whatever is wrong after a conversion, or in one side of the proof, is noticed.

Counted over the recorded networks; a change that nothing can show is listed with its reason.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import converter
from converter.errors import ConvertError, GraphError, ParityError
from converter.graph.attributes import Attribute
from converter.graph.operators import Call, Program, operators
from converter.graph.symbol import Output
from converter.planning.graph import GraphPlan
from converter.planning.options import Options
from converter.proof.graph.parity import GraphParity, check_graph_parity
from converter.writing.model import write_model
from tests.graph.converting import plan_of, said
from tests.graph.recordings import Network, networks

QUICK = ("lenet", "char_rnn_fused")
ALL = [
    pytest.param(one, id=one.name, marks=() if one.name in QUICK else pytest.mark.exhaustive)
    for one in networks()
]


def written(network: Network, folder: Path) -> GraphPlan:
    folder.mkdir()
    plan = plan_of(network)
    write_model(plan, folder)
    return plan


def parity_of(plan: GraphPlan, folder: Path) -> GraphParity | None:
    """None where the reference cannot compute what is asked."""
    try:
        return check_graph_parity(plan, folder, Options.atol)
    except GraphError:
        return None


def other(value: Any, attribute: Attribute) -> Iterator[Any]:
    """Other values of an attribute of the same type."""
    if isinstance(value, bool):
        yield not value
    elif attribute.type in ("enum", "dtype"):
        yield from [one for one in attribute.values if one != value][:2]
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, float):
        yield value * 2 if value else 1.5
    elif isinstance(value, tuple) and value and all(isinstance(one, int) for one in value):
        yield (value[0] + 1, *value[1:])


# Attributes that change nothing here, of an operator or of all, and why. What the reference shows
# of each operator's attributes is in test_interpreter_mutants.py.
SILENT: Mapping[tuple[str, str], str] = {
    ("", "momentum"): "of training",
    ("Dropout", "p"): "of training",
    ("RNN", "p"): "of training",
}


@pytest.mark.parametrize("network", ALL)
def test_every_attribute_flipped_after_the_conversion(network: Network, tmp_path: Path) -> None:
    """The symbol on the disk is not the one that was converted: `verify` says so."""
    out = tmp_path / "out"
    converter.convert(
        network.params, out, way="graph", symbol=network.symbol, inputs=said(network), verify=False
    )
    content = json.loads(network.symbol.read_text())
    symbol = tmp_path / "symbol.json"
    noticed, ignored = Counter[str](), Counter[tuple[str, str]]()
    for node in content["nodes"]:
        layout = next((k for k in ("param", "attr", "attrs") if node.get(k)), None)
        if node["op"] == "null" or layout is None:
            continue
        operator = operators()[node["op"]]
        for key, text in [*node[layout].items()]:
            attribute = operator.attributes.get(key)
            if attribute is None:
                continue
            for value in other(attribute.read(text), attribute):
                node[layout][key] = str(value)
                symbol.write_text(json.dumps(content))
                try:
                    converter.verify(network.params, out, symbol=symbol)
                    ignored[operator.name, key] += 1
                except ParityError:
                    noticed["verify"] += 1
                except ConvertError:
                    noticed["refused"] += 1
                node[layout][key] = text
    assert noticed["verify"] >= 5, (noticed, ignored)
    allowed = {(op.name, key) for op in operators().values() for key in op.ignored}
    assert not ignored.keys() - allowed, ignored


@pytest.mark.parametrize("network", ALL)
def test_every_attribute_misread_by_one_side(network: Network, tmp_path: Path) -> None:
    """The module is of the right graph and the reference computes another: parity fails."""
    plan = written(network, tmp_path / "out")
    noticed, silent = 0, Counter[tuple[str, str]]()
    for number, call in enumerate(plan.program.calls):
        for key, value in call.attributes.items():
            for changed in other(value, call.operator.attributes[key]):
                calls = [*plan.program.calls]
                calls[number] = replace(call, attributes={**call.attributes, key: changed})
                mutant = replace(plan, program=Program(plan.program.graph, tuple(calls)))
                parity = parity_of(mutant, tmp_path / "out")
                if parity is None or not parity.passed:
                    noticed += 1
                else:
                    silent[call.op, key] += 1
    print(network, noticed, dict(silent))
    assert noticed


@pytest.mark.parametrize("network", ALL)
def test_every_node_dropped_from_one_side(network: Network, tmp_path: Path) -> None:
    plan = written(network, tmp_path / "out")
    copy = operators()["_copy"]
    for number, call in enumerate(plan.program.calls):
        nothing = Call(
            number=call.number,
            operator=copy,
            name=call.name,
            names=("data",),
            inputs=call.inputs[:1],
            attributes={},
            outputs=call.outputs,
        )
        calls = [*plan.program.calls]
        calls[number] = nothing
        mutant = replace(plan, program=Program(plan.program.graph, tuple(calls)))
        parity = parity_of(mutant, tmp_path / "out")
        if parity is not None and parity.passed:
            print(network, call.op, call.name)


@pytest.mark.parametrize("network", ALL)
def test_every_pair_of_equal_shapes_exchanged(network: Network, tmp_path: Path) -> None:
    """Bits cannot tell: each tensor comes back. Parity fails."""
    plan = plan_of(network)
    steps = [step for step in plan.steps if step.source]
    pairs = [(a, b) for a, b in combinations(steps, 2) if a.shape == b.shape]
    for number, (a, b) in enumerate(pairs):
        folder = tmp_path / str(number)
        folder.mkdir()
        swapped = {a.target: b, b.target: a}
        moved = tuple(
            replace(swapped[s.target], target=s.target) if s.target in swapped else s
            for s in plan.steps
        )
        mutant = replace(plan, steps=moved)
        write_model(mutant, folder)
        assert not check_graph_parity(mutant, folder, Options.atol).passed, (a.target, b.target)
    print(network, len(pairs))
