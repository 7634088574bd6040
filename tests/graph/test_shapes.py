"""Shapes and dtypes of every output, against what real MXNet put out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from converter.errors import GraphError
from converter.graph.operators import Program, understand
from converter.graph.outputs import output_names
from converter.graph.shapes import Spec, infer
from converter.graph.shapes.solve import solve
from converter.graph.shapes.two_way import Dims
from converter.graph.symbol import Graph, Output, parse_symbol, read_symbol
from converter.graph.variables import inputs_of, needed_nodes
from converter.params import read_index
from tests.graph.making import LENET, Making, lenet
from tests.graph.recordings import Case, Network, cases_of, layouts, networks, operators

FLOAT32 = np.dtype(np.float32)


def specs_of(values: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Spec]:
    return {name: Spec(array.shape, array.dtype) for name, array in values.items()}


def specs(**shapes: tuple[int, ...]) -> dict[str, Spec]:
    return {name: Spec(shape, FLOAT32) for name, shape in shapes.items()}


def understood(case: Case) -> Program | None:
    """The case's program; None where what it shows is refused by name."""
    try:
        return understand(parse_symbol(case.symbol))
    except GraphError as refusal:
        told = str(refusal)
    assert "not supported" in told, case
    return None


@pytest.mark.parametrize("operator", operators())
def test_shapes_and_dtypes_are_those_that_mxnet_puts_out(operator: str) -> None:
    for case in cases_of(operator):
        program = understood(case)
        if program:
            found = infer(program, specs_of(case.values))
            heads = [found[head] for head in program.graph.heads]
            for version, outputs in case.outputs.items():
                recorded = [Spec(array.shape, array.dtype) for array in outputs]
                assert heads == recorded, (case, version)


@pytest.mark.parametrize("operator", operators())
def test_what_follows_from_a_part_of_the_shapes_is_true(operator: str) -> None:
    """Each variable in turn is forgotten, or all its sizes are, or one of them."""
    for case in cases_of(operator):
        program = understood(case)
        if program is None:
            continue
        truth = solve(program, {name: array.shape for name, array in case.values.items()}).dims
        for name, array in case.values.items():
            for dims in forgotten(array.shape):
                known: dict[str, Dims] = {n: a.shape for n, a in case.values.items()}
                solution = solve(program, known | {name: dims})
                assert not solution.problems, (case, name, dims)
                for output, found in solution.dims.items():
                    assert agrees(found, truth[output]), (case, name, dims, output)


def forgotten(shape: tuple[int, ...]) -> list[Dims]:
    one: list[Dims] = [(*shape[:n], None, *shape[n + 1 :]) for n in range(len(shape))]
    return [None, (None,) * len(shape), *one]


def agrees(found: Dims, true: Dims) -> bool:
    return found is None or (
        true is not None
        and len(found) == len(true)
        and all(a in (None, b) for a, b in zip(found, true, strict=True))
    )


# What each layer's parameters must be, in words: one of another shape is refused
PARAMETERS = (
    *("weight", "bias", "gamma", "beta", "moving_mean", "moving_var", "parameters", "state"),
    *("state_cell", "sequence_length", "length"),
)


@pytest.mark.parametrize("operator", operators())
def test_a_parameter_of_another_shape_is_refused_with_node_tensor_and_both_shapes(
    operator: str,
) -> None:
    for case in cases_of(operator):
        program = understood(case)
        if program is None:
            continue
        for call in program.calls:
            for name, source in zip(call.names, call.inputs, strict=True):
                tensor = program.graph.nodes[source.node].name
                if (
                    name not in PARAMETERS
                    or tensor not in case.values
                    or not call.names.index(name)
                ):
                    continue
                shape = case.values[tensor].shape
                wrong = (shape[0] + 1, *shape[1:])
                known = specs_of(case.values) | {tensor: Spec(wrong, FLOAT32)}
                with pytest.raises(GraphError) as refusal:
                    infer(program, known)
                told = str(refusal.value)
                assert f"{call.name} ({call.op})" in told, case
                assert str(wrong) in told, case
                assert tensor in told, case


def test_everything_that_does_not_fit_is_told_at_once() -> None:
    known = specs(**LENET | {"conv1_weight": (50, 3, 5, 5), "fc1_bias": (11,)}, data=(1, 1, 28, 28))
    with pytest.raises(GraphError) as refusal:
        infer(lenet().program(), known)
    assert refusal.value.problems == (
        "conv1 (Convolution): weight conv1_weight is (50, 3, 5, 5), "
        "and with pool0 of (1, 20, 12, 12) it must be (50, 20, 5, 5)",
        "fc1 (FullyConnected): bias fc1_bias is (11,), "
        "and with fc0 of (1, 500) it must be (10,) or (10, 1)",
    )


def test_what_is_not_known_is_told_by_name_with_what_is() -> None:
    with pytest.raises(GraphError) as refusal:
        infer(lenet().program(), specs(**LENET))
    assert refusal.value.problems == ("the shape of data is not known: (?, 1, ?, ?)",)


def test_two_sides_that_contradict_each_other_are_refused() -> None:
    made = Making()
    begin = made.call("_zeros", "begin", shape="(0, 3)")
    made.call("elemwise_add", "sum", begin, made.variable("data"))
    program = made.program()
    assert infer(program, specs(data=(2, 3)))[Output(0, 0)] == Spec((2, 3), FLOAT32)
    with pytest.raises(
        GraphError, match=r"sum .*makes \(\?, 3\) on one side, and \(2, 4\) on .* begin"
    ):
        infer(program, specs(data=(2, 4)))
    with pytest.raises(GraphError, match=r"the shape of data is not known: \(\?, 3\)"):
        infer(program, {})


@pytest.mark.parametrize(
    ("op", "attributes", "shape", "told"),
    [
        ("_full", {"shape": "(99999, 99999)", "value": 1}, None, "below 2,147,483,648 numbers"),
        ("_arange", {"start": 0, "stop": "1e30"}, None, "below 2,147,483,648 numbers"),
        ("_arange", {"start": 0, "stop": 5, "step": 0}, None, "make no numbers"),
        ("tile", {"reps": str((2,) * 33)}, (1,), "comes out with 33 dimensions"),
        ("tile", {"reps": "(-1,)"}, (2,), "comes out as (-2,)"),
        ("repeat", {"repeats": 10**18}, (2,), "below 2,147,483,648 numbers"),
        ("slice", {"begin": "(5,)", "end": "(9,)"}, (4, 2), "comes out empty, as (0, 2)"),
        ("Reshape", {"shape": "(-1, -1)"}, (4,), "does not go with data (4,)"),
        ("Reshape", {"shape": "(3, -1)"}, (4,), "cannot be reshaped to (3, 1)"),
        ("Reshape", {"shape": "(-4, -1, -1)"}, (4,), "does not go with"),
        ("Reshape", {"shape": "(-3,)"}, (4,), "does not go with"),
        ("Reshape", {"shape": "(-9,)"}, (4,), "does not go with"),
        ("transpose", {"axes": "(0, 0)"}, (4, 2), "names one axis twice"),
        ("transpose", {"axes": "(0, 2)"}, (4, 2), "is no axis of data (4, 2)"),
        ("expand_dims", {"axis": 3}, (4, 2), "is no axis"),
        (
            "Convolution",
            {"kernel": "(3,3)", "num_filter": 0, "no_bias": True},
            (1, 3, 9, 9),
            "num_",
        ),
        ("Pooling", {"kernel": "(3,3)", "stride": "(0,1)"}, (1, 3, 9, 9), "at least 1"),
        ("Pooling", {"kernel": "(10,3)"}, (1, 3, 9, 9), "smaller than the kernel's 10"),
        ("Pooling", {"kernel": "(3,3)"}, (3, 9, 9), "no 1 numbers"),
        ("topk", {"k": 5}, (4,), "k=5 is more than the 4"),
    ],
)
def test_what_cannot_be_computed_is_refused(
    op: str, attributes: dict[str, object], shape: tuple[int, ...] | None, told: str
) -> None:
    made = Making()
    inputs = [] if shape is None else [made.variable("data")]
    if op == "Convolution":
        inputs.append(made.variable("w"))
    made.call(op, "node", *inputs, **attributes)
    known = specs(w=(0, 3, 3, 3)) | ({} if shape is None else specs(data=shape))
    with pytest.raises(GraphError) as refusal:
        infer(made.program(), known)
    assert told in str(refusal.value)
    assert f"node ({op})" in str(refusal.value)


def test_a_graph_whose_nodes_tell_each_other_ever_more_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from converter.graph.shapes import solve as module

    made = Making()
    x = made.call("_zeros", "begin", shape="(0, 3)")
    for n in range(500):
        x = made.call("elemwise_add", f"sum{n}", x, x)
    made.call("elemwise_add", "last", x, made.variable("data"))
    program = made.program()
    assert infer(program, specs(data=(2, 3)))[Output(0, 0)].shape == (2, 3)
    monkeypatch.setattr(module, "VISITS", -3)
    with pytest.raises(GraphError, match="do not settle"):
        infer(program, specs(data=(2, 3)))


@pytest.mark.parametrize("network", [*networks(), *layouts()], ids=str)
def test_every_node_of_a_network_has_the_shape_that_mxnet_gives_it(network: Network) -> None:
    program = understand(read_symbol(network.symbol))
    index = read_index(network.params)
    variables = inputs_of(program, index.tensors)
    assert not variables.missing
    assert {*variables.inputs} <= {*network.inputs}
    entries = {name: index.tensors[own] for name, own in variables.parameters.items()}
    known = {name: Spec(entry.shape, entry.dtype) for name, entry in entries.items()}
    given = {name: network.inputs[name] for name in variables.inputs}
    found = infer(program, known | specs_of(given))
    heads = [found[head] for head in program.graph.heads]
    assert heads == [Spec(array.shape, array.dtype) for array in network.outputs]
    names = output_names(whole(program))
    needed = needed_nodes(program)
    gone = {node.name for n, node in enumerate(program.graph.nodes) if n not in needed}
    told = {name: found[head] for name, head in zip(names, whole(program).heads, strict=True)}
    for name, array in network.internals.items():
        if name.removesuffix("_output") not in gone:
            assert told[name] == Spec(array.shape, array.dtype), name


def whole(program: Program) -> Graph:
    """The graph with the output of every node as one of its own, those for labels left out."""
    needed = needed_nodes(program)
    counts = {call.number: call.outputs for call in program.calls}
    heads = [
        Output(node, number)
        for node in range(len(program.graph.nodes))
        for number in range(counts.get(node, 1))
        if node in needed
    ]
    return replace(program.graph, heads=tuple(heads))
