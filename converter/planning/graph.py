"""The plan of a graph: its nodes become a module, its variables the tensors of that module."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np

from converter.errors import GraphError, PlanError, safe
from converter.graph.emit import Emitted, emit
from converter.graph.operators import Program, understand
from converter.graph.outputs import cut_at
from converter.graph.shapes import Spec, infer
from converter.graph.sizes import Input, inputs_with_sizes, parse_input, told_by_weights
from converter.graph.symbol import Output, parse_symbol
from converter.graph.variables import Variables, inputs_of, needed_nodes
from converter.params import Index, TensorEntry
from converter.params.graphs import SymbolText
from converter.planning.assumptions import Assumed
from converter.planning.base import MODULE_FILE, Plan
from converter.planning.steps import DTYPES, Step

HALF = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
FLOAT32 = np.dtype(np.float32)
LISTED = 9


@dataclass(frozen=True, kw_only=True, repr=False)
class GraphPlan(Plan):
    """A plan that a graph makes: its program, and the module that is written for it.

    `symbol` is the name of the graph's file and `sha256` its hash, hexadecimal. `inputs` are what
    `forward` takes, in order, with the shapes of the proof; `specs` are those of all outputs.
    `entries` are the variables that have a value in the file, with `parameters`, their shapes and
    the dtypes that they are computed in. `cut`: the nodes that the user wants the outputs of; none
    are the graph's own. `why` says why no family's table was taken.
    """

    symbol: str
    sha256: str
    program: Program
    emitted: Emitted
    inputs: tuple[Input, ...]
    entries: Mapping[str, TensorEntry] = field(repr=False)
    parameters: Mapping[str, Spec] = field(repr=False)
    specs: Mapping[Output, Spec] = field(repr=False)
    cut: tuple[str, ...] = ()
    why: str = ""

    def beside(self) -> Mapping[str, Any]:
        """The module that the weights are for."""
        return {MODULE_FILE: self.emitted.source}

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what comes out, as MXNet lists them."""
        return tuple(output_name(self.program, head) for head in self.program.graph.heads)


def make_graph_plan(
    index: Index,
    symbol: SymbolText,
    dtype: str = "keep",
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    why: str = "",
) -> GraphPlan:
    """Read the graph, tell its variables apart by the names in `index`, and write its module.

    `dtype` is a key of `DTYPES`; `inputs` are shapes as `--input` takes them, `outputs` the nodes
    that `--output` names. Raises `GraphError` with every node, and with every input's shape, that
    is not known, `PlanError` for parameters that do not fit the graph, and `OptionError`.
    """
    said = {}
    for text in inputs:
        name, shape, kind = parse_input(text)
        said[name] = shape, kind
    program, widened = _widened(_program(symbol, outputs))
    variables = inputs_of(program, index.tensors)
    entries = {name: index.tensors[own] for name, own in variables.parameters.items()}
    if problems := [*_problems(index, symbol, variables, entries)]:
        raise PlanError(f"{index.path} and {symbol.name} do not fit:", problems)
    half = any(entry.dtype in HALF for entry in entries.values())
    known = {name: Spec(entry.shape, _wide(entry.dtype)) for name, entry in entries.items()}
    try:
        sized = inputs_with_sizes(program, variables.inputs, known, said)
        specs = infer(program, known | {one.name: one.spec for one in sized})
    except GraphError as error:
        if error.nodes or any(problem.startswith("--input") for problem in error.problems):
            raise
        told = told_by_weights(program, variables.inputs, known) if said else []
        instead = f"as far as the weights tell, it is {' '.join(told)}"
        if not told:
            instead = "if graph and parameters are not of one network, say --symbol FILE"
        raise GraphError(error.headline, [*error.problems, instead]) from None
    emitted = emit(program, specs, variables.inputs)
    steps = tuple(_steps(emitted, entries, DTYPES[dtype]))
    used = {step.source.name for step in steps if step.source}
    return GraphPlan(
        name="a graph",
        index=index,
        steps=steps,
        dtype=dtype,
        dropped=dict(_dropped(index, variables, emitted, used, outputs)),
        assumed=tuple(_assumed(sized, half or widened)),
        symbol=symbol.name,
        sha256=hashlib.sha256(symbol.content).hexdigest(),
        program=program,
        emitted=emitted,
        inputs=tuple(one for one in sized if one.name in emitted.inputs),
        entries=entries,
        parameters=known,
        specs=specs,
        cut=tuple(outputs),
        why=why,
    )


def output_name(program: Program, output: Output) -> str:
    """What MXNet calls an output: its node and `_output`, with its number where there are more."""
    node = program.graph.nodes[output.node]
    if node.is_variable:
        return node.name
    counts = (call.outputs for call in program.calls if call.number == output.node)
    return f"{node.name}_output" + (str(output.number) if next(counts, 1) > 1 else "")


def _program(symbol: SymbolText, outputs: Sequence[str]) -> Program:
    """The typed nodes of the graph, cut at `outputs` where there are any.

    Without those that only the labels of loss heads come from: at inference nothing takes them.
    """
    try:
        graph = parse_symbol(symbol.content)
    except GraphError as error:
        again = (
            "copy it again, whole, from where MXNet wrote it beside the parameters, or say "
            "--symbol FILE for another"
        )
        told = f"the graph cannot be read: {error.headline}"
        raise GraphError(told, [*error.problems, again]) from None
    program = understand(cut_at(graph, outputs) if outputs else graph)
    needed = needed_nodes(program)
    return Program(program.graph, tuple(c for c in program.calls if c.number in needed))


def _widened(program: Program) -> tuple[Program, bool]:
    """The program with float32 in place of float16, and whether it has any."""
    calls = []
    for call in program.calls:
        half = {
            key: "float32"
            for key, value in call.attributes.items()
            if value in ("float16", "bfloat16") and call.operator.attributes[key].type == "dtype"
        }
        calls.append(replace(call, attributes={**call.attributes, **half}) if half else call)
    return Program(program.graph, tuple(calls)), tuple(calls) != program.calls


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return FLOAT32 if dtype in HALF else dtype


def _problems(
    index: Index,
    symbol: SymbolText,
    variables: Variables,
    entries: Mapping[str, TensorEntry],
) -> Iterator[str]:
    """Parameters that are not there, or hold no numbers that can be read in place."""
    missing = variables.missing
    if missing and not entries:
        begin = ", ".join(map(safe, [*index.tensors][:3]))
        yield (
            f"not one of the graph's parameters is in the file (they begin {safe(missing[0])}; the "
            f"file's names begin {begin}): a file of save_parameters has other names than its "
            "graph; give the .params that export or save_checkpoint wrote with the graph"
        )
        return
    yield from (f"{safe(name)} has no value in the file" for name in missing[:LISTED])
    if len(missing) > LISTED:
        yield f"… and {len(missing) - LISTED} more without a value"
    if missing:
        yield (
            "if they are not of one network, say --symbol FILE; to convert what needs none of "
            "these: --output NODE"
        )
    for entry in entries.values():
        if entry.storage == "none":
            yield f"{safe(entry.name)} holds no array: save the model again once it has one"
        elif entry.storage != "dense":
            yield (
                f"{safe(entry.name)} is {entry.storage} (sparse): save it densely with "
                "`array.tostype('default')`"
            )


def _steps(
    emitted: Emitted, entries: Mapping[str, TensorEntry], wanted: np.dtype[Any] | None
) -> Iterator[Step]:
    """A step for each tensor of the module; only floating-point numbers are cast."""
    for one in emitted.parameters:
        own = wanted if wanted is not None and one.dtype.kind == "f" else None
        if one.source is None:
            yield Step(one.constant, (), one.key, own or one.dtype, one.shape)
            continue
        entry = entries[one.source]
        whole = (one.start, one.stop) == (0, math.prod(entry.shape))
        yield Step(
            "copy" if whole else "range",
            (entry,),
            one.key,
            own or entry.dtype,
            one.shape,
            0 if whole else one.start,
            0 if whole else one.stop,
        )


def _dropped(
    index: Index, variables: Variables, emitted: Emitted, used: set[str], cut: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Every tensor of the file that no tensor of the module comes of, and why."""
    names = {own: name for name, own in variables.parameters.items()}
    for own in index.tensors:
        if own in used:
            continue
        if own in names:
            yield own, emitted.unused.get(names[own], "no output needs it")
        else:
            yield own, "--output cuts it off" if cut else "the graph has no variable of its name"


def _assumed(inputs: Sequence[Input], half: bool) -> Iterator[Assumed]:
    for one in inputs:
        for text in one.assumed:
            yield Assumed(f"input {one.name}", text, "no file tells it")
    if half:
        yield Assumed("float16", "computed in float32", "MXNet computed it in float16")
