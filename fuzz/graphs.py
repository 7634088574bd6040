"""What is fuzzed of graphs: the JSON alone, and a graph with the shapes of its parameters.

A graph that is understood has shapes, can be cut, and becomes Python that compiles and holds
nothing but what `tests/graph/allowed.py` lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from converter.errors import ConvertError, GraphError
from converter.graph.emit import emit
from converter.graph.operators import Program, typed
from converter.graph.outputs import cut_at
from converter.graph.shapes import Spec, infer
from converter.graph.shapes.solve import solve
from converter.graph.sizes import inputs_with_sizes
from converter.graph.symbol import Graph, parse_symbol
from converter.graph.variables import inputs_of
from tests.graph import allowed
from tests.graph.making import LENET, lenet
from tests.graph.recordings import cases_of, operators

DTYPES = ("float32", "float16", "int32", "bool")
WORK = 2**24  # numbers of all tensors: code is made only of graphs that a test could run


def symbol(data: bytes) -> None:
    """The file of a graph: understood or refused, told in lines that a terminal can show."""
    graph = _graph(data)
    if graph is None:
        return
    program, problems = typed(graph)
    assert all(problem.text.isprintable() for problem in problems)
    assert len(program.graph.nodes) >= len(graph.nodes)
    assert graph.cut(graph.heads) == graph
    solve(program, {})
    found = inputs_of(program, ["arg:data", "aux:w", "w"])
    told = {*found.parameters, *found.inputs, *found.labels, *found.missing}
    assert told == {*program.variables().values()}
    for node in graph.nodes[:20]:
        try:
            assert cut_at(graph, [node.name]).heads
        except GraphError as refusal:
            assert len(refusal.problems) == 1


def _graph(data: bytes) -> Graph | None:
    try:
        return parse_symbol(data)
    except GraphError as refusal:
        assert str(refusal).isprintable(), refusal
        return None


def symbol_params(data: bytes) -> None:
    """A graph, the shapes in its parameters file and those said of its inputs, as one JSON.

    `[graph, {name: [dtype, size, …]}, {input: [size, …]}]`: code is made of it, or it is refused.
    """
    made = _parts(data)
    if made is None:
        return
    program, parameters, said = made
    found = inputs_of(program, parameters)
    known = {name: parameters[file] for name, file in found.parameters.items()}
    try:
        inputs = inputs_with_sizes(
            program,
            found.inputs,
            known,
            {name: (shape, None) for name, shape in said.items() if name in found.inputs},
        )
        specs = infer(program, known | {one.name: one.spec for one in inputs})
        assert all(min(spec.shape, default=1) > 0 for spec in specs.values())
        if sum(int(np.prod(spec.shape, dtype=object)) for spec in specs.values()) > WORK:
            return
        emitted = emit(program, specs, found.inputs)
    except ConvertError as refusal:
        assert str(refusal)
        return
    compile(emitted.source, "model.py", "exec", dont_inherit=True)
    allowed.check(emitted.source)


def _parts(
    data: bytes,
) -> tuple[Program, dict[str, Spec], dict[str, tuple[int, ...]]] | None:
    """The graph and the shapes that a JSON of `symbol_params` holds, as far as it holds them."""
    try:
        graph, parameters, said = json.loads(data)
        text = json.dumps(graph)
        shapes = {str(name): _shape(sizes[1:]) for name, sizes in parameters.items()}
        specs = {
            name: Spec(shape, np.dtype(DTYPES[parameters[name][0] % len(DTYPES)]))
            for name, shape in shapes.items()
            if shape
        }
        inputs = {name: shape for name, sizes in said.items() if (shape := _shape(sizes))}
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
        return None
    found = _graph(text.encode())
    if found is None:
        return None
    program, problems = typed(found)
    return None if problems else (program, specs, inputs)


def _shape(sizes: Any) -> tuple[int, ...] | None:
    """Sizes that a file or an option can have."""
    good = isinstance(sizes, list) and len(sizes) <= 32
    good = good and all(type(size) is int and 0 < size < 2**31 for size in sizes)
    return tuple(sizes) if good else None


def seeds(target: str) -> Iterator[bytes]:
    """A small graph of each operator that real MXNet wrote, and a network."""
    for operator in operators():
        case = cases_of(operator)[0]
        graph = json.loads(case.symbol)
        if target == "symbol":
            yield json.dumps(graph).encode()
            continue
        shapes = {name: [*array.shape] for name, array in case.values.items()}
        parameters = {name: [0, *shape] for name, shape in shapes.items() if name != "data"}
        yield json.dumps([graph, parameters, {"data": shapes.get("data", [1])}]).encode()
    network = lenet().content()
    if target == "symbol":
        yield json.dumps(network).encode()
    else:
        shapes = {f"arg:{name}": [0, *shape] for name, shape in LENET.items()}
        yield json.dumps([network, shapes, {}]).encode()
