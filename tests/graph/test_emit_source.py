"""The text of `model.py`: nothing of a file's text but checked names, formatted as ruff does."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converter.errors import GraphError
from converter.graph.emit import Emitted, emit
from converter.graph.emit.layout import layout
from converter.graph.operators import Program, understand
from converter.graph.shapes import Spec, infer
from converter.graph.symbol import parse_symbol
from tests.graph import recordings
from tests.graph.allowed import check
from tests.graph.emitting import (
    NAMES,
    PARAMETERS,
    emitted_network,
    inputs_of,
    labels,
    program_of,
    run,
    specs_of,
)
from tests.graph.recordings import Case

RUFF = shutil.which("ruff", path=str(Path(sys.executable).parent)) or "ruff"


def renamed(program: Program, names: Iterator[str]) -> tuple[Program, dict[str, str]]:
    """The program with other names; those of parameters still end as parameters' names do."""
    new: dict[str, str] = {}
    nodes = []
    for node in program.graph.nodes:
        end = node.name.split("_")[-1]
        name = next(names) + (f"_{end}" if node.is_variable and end in PARAMETERS else "")
        if node.is_variable:  # variables of one name are one
            name = new.setdefault(node.name, name if name not in new.values() else f"{name}{end}")
            while list(new.values()).count(name) > 1:
                name = new[node.name] = f"{name}'"
        nodes.append(dataclasses.replace(node, name=name))
    graph = dataclasses.replace(program.graph, nodes=tuple(nodes), version=(1, 9, 1))
    return understand(graph), new


def emitted_with(case: Case, names: Iterator[str], *, given: bool = False) -> Emitted:
    """The module of a case with other names, each output named twice."""
    program, new = renamed(program_of(case), names)
    graph = dataclasses.replace(program.graph, heads=program.graph.heads * 2)
    program = Program(graph, program.calls)
    values = {new[name]: value for name, value in case.values.items() if name in new}
    specs = specs_of(program, values)
    every = [name for name in program.variables().values() if name not in labels(program)]
    return emit(program, specs, every if given else inputs_of(program))


def test_every_source_is_formatted_and_passes_ruff(tmp_path: Path) -> None:
    """Of every recording, with names of every length; no warning at any level of optimization."""
    for place, case in enumerate(recordings.cases()):
        for given_ in (False, True):
            names = (
                f"{'a_layer_of_a_network_' * 4}"[: 4 + (place * 7 + number * 5) % 70] + f"_{number}"
                for number in range(1000)
            )
            try:
                source = emitted_with(case, names, given=given_).source
            except GraphError:
                continue
            name = re.sub(r"\W", "_", f"{case}_{given_}")
            (tmp_path / f"{name}.py").write_text(source)
    for network in recordings.networks():
        emitted, _, _ = emitted_network(network)
        (tmp_path / f"network_{network.name.replace('.', '_')}.py").write_text(emitted.source)
    assert len([*tmp_path.iterdir()]) > 2500
    options = ["--isolated", "--no-cache", "--line-length", "100"]
    formatted = [RUFF, "format", "--diff", *options, str(tmp_path)]
    result = subprocess.run(formatted, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[:4000]
    checked = [RUFF, "check", *options, "--select", "E,F,I,UP,B", str(tmp_path)]
    result = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[:4000]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in tmp_path.iterdir():
            text = path.read_text()
            check(text)
            for level in (0, 2):
                compile(text, path.name, "exec", optimize=level, dont_inherit=True)


CASES = [case for operator in recordings.operators() for case in recordings.cases_of(operator)[:2]]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(CASES), st.lists(NAMES, min_size=12, max_size=12), st.booleans())
def test_no_name_reaches_the_source_unchecked(case: Case, names: list[str], every: bool) -> None:
    try:
        emitted = emitted_with(case, iter(names * 30), given=every)
    except GraphError as error:
        assert "\n" not in error.headline  # noqa: PT017
        return
    check(emitted.source)
    compile(emitted.source, "model.py", "exec", dont_inherit=True)


VALUES = st.one_of(
    st.sampled_from(
        ["__import__('os')", "(1, 2", "1e400", "-inf", "nan", "(" * 50, "9" * 18, "-1", "0", "(0,)"]
    ),
    st.text(max_size=20),
    st.integers(-5, 5).map(str),
    st.tuples(st.integers(-3, 6), st.integers(-3, 6)).map(str),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(CASES), st.data())
def test_no_attribute_reaches_the_source_unchecked(case: Case, data: st.DataObject) -> None:
    symbol = json.loads(case.symbol)
    for node in symbol["nodes"]:
        for key in node.get("attrs", {}):
            if data.draw(st.booleans()):
                node["attrs"][key] = data.draw(VALUES)
    try:
        program = understand(parse_symbol(json.dumps(symbol)))
        emitted = emit(program, specs_of(program, case.values), inputs_of(program))
    except GraphError:
        return
    check(emitted.source)
    compile(emitted.source, "model.py", "exec", dont_inherit=True)


def _bad(line: str) -> str:
    """A module whose `forward` has a line more."""
    (network,) = (n for n in recordings.networks() if n.name == "lenet")
    source = emitted_network(network)[0].source
    return source.replace("        return x\n", f"        {line}\n        return x\n")


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "x = os.system('true')",
        "x = __import__('os')",
        "x = open('file')",
        "x = x.__class__",
        "x = torch.load('file')",
        "x = torch.hub.load('a', 'b')",
        "x = self.other(x)",
        "x = 'text'",
        "x = lambda: x",
        "x = [y for y in x]",
        "x = F.conv2d.__globals__",
        "x = x  # a comment",
        "x = x.numpy()",
        "exec('pass')",
        "global x",
        "del x",
        "x = nn.Module()",
        "сonv = x",
        "x = x\x0b",
    ],
)
def test_the_check_of_sources_finds_what_is_not_allowed(line: str) -> None:
    check(_bad("x = F.relu(x)"))
    if line == "x = nn.Module()":
        check(_bad(line))  # a submodule made in forward does no harm
        return
    with pytest.raises((AssertionError, SyntaxError)):
        check(_bad(line))


RANK4 = ("data", "call", "pair", "split", "scale")


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """A graph of random structure over values of one shape."""
    nodes: list[dict[str, Any]] = [{"op": "null", "name": "data", "inputs": []}]
    values = [[0, 0, 0]]
    name = st.sampled_from(["a", "b", "x", "data", "conv_fwd", "l", ""])
    for _ in range(draw(st.integers(1, 25))):
        place = len(nodes)
        one, other = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        kind = draw(st.sampled_from(["relu", "add", "scale", "same", "split", "norm", "many"]))
        node: dict[str, Any] = {"name": draw(name), "inputs": [one]}
        count = 1
        if kind == "relu":
            node |= {"op": "Activation", "attrs": {"act_type": draw(st.sampled_from(["relu"]))}}
        elif kind == "add":
            node |= {"op": "elemwise_add", "inputs": [one, other]}
        elif kind == "scale":
            node |= {"op": "_mul_scalar", "attrs": {"scalar": "0.5"}}
        elif kind == "same":
            node |= {"op": "_copy"}
        elif kind == "norm":
            nodes.append({"op": "null", "name": draw(st.sampled_from(["g", "h"])), "inputs": []})
            node |= {"op": "broadcast_mul", "inputs": [one, [place, 0, 0]]}
            place += 1
        else:
            count = 2 if kind == "split" else 6
            nodes.append({"op": "Concat", "name": "joined", "inputs": [one] * count})
            nodes[-1]["attrs"] = {"num_args": str(count), "dim": "1"}
            node |= {"op": "SliceChannel", "inputs": [[place, 0, 0]]}
            node["attrs"] = {"num_outputs": str(count)}
            place += 1
        nodes.append(node)
        values += [[place, number, 0] for number in range(count)]
    heads = draw(st.lists(st.sampled_from(values), min_size=1, max_size=4))
    return {"nodes": nodes, "heads": heads, "attrs": {"mxnet_version": ["int", 10901]}}


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_values_are_what_their_names_say(symbol: dict[str, Any]) -> None:
    """Reusing `x` changes nothing: the same graph with every value an output gives the same."""
    rng = np.random.default_rng(0)
    values = {name: rng.standard_normal((2, 3, 2, 2), np.float32) for name in ("data", "g", "h")}
    known = {name: Spec(value.shape, value.dtype) for name, value in values.items()}
    found = []
    for every in (False, True):
        heads = list(symbol["heads"])
        if every:
            program = understand(parse_symbol(json.dumps(symbol)))
            heads += [[c.number, n, 0] for c in program.calls for n in range(c.outputs)]
            symbol = {**symbol, "nodes": json.loads(_nodes(program))}
            heads[: len(symbol["heads"])] = [[*head, 0] for head in program.graph.heads]
        program = understand(parse_symbol(json.dumps({**symbol, "heads": heads})))
        emitted = emit(program, infer(program, known), ["data"])
        check(emitted.source)
        found.append(run(emitted, values)[: len(symbol["heads"])])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def _nodes(program: Program) -> str:
    return json.dumps(
        [
            {
                "op": node.op,
                "name": node.name,
                "inputs": [[*source, 0] for source in node.inputs],
                "attrs": dict(node.attributes),
            }
            for node in program.graph.nodes
        ]
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=70), min_size=1, max_size=6), st.integers(0, 9))
def test_long_statements_are_laid_out_as_ruff_does(names: list[str], kind: int) -> None:
    target, *more = (f"v{name}" for name in [*names, *names])
    one, other = more[0], more[-1]
    text = [
        f"{target} = self.{one}({other})",
        f"{target} = {one} + {other}",
        f"{target} = {one}[0] * {other}",
        f"{target} = torch.cat(({', '.join(more)}), 1)",
        f"{target} = sum(({', '.join(more)}))",
        f"{target} = {one}.reshape({other}.shape[0], -1, {one}.shape[1] * {one}.shape[2])",
        f"{target} = self.{one}({other}.movedim(3, 1)).movedim(1, 3)",
        f"{target}, _ = self.{one}({other}, ({one}, {other}))",
        f"{target} = ({one} == {other}).float()",
        f"return {', '.join(more)}",
    ][kind]
    lines = "\n".join(layout(text, 4))
    ours = f"def f():\n{lines}\n"
    command = [RUFF, "format", "-", "--isolated", "--line-length", "100", "--no-cache"]
    theirs = subprocess.run(command, input=ours, capture_output=True, text=True, check=True)
    assert ours == theirs.stdout


def test_writing_needs_no_torch() -> None:
    code = "import converter.graph.emit, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
