"""Every output's shape: forward through all calls, and back again where a size is left open.

MXNet infers both ways: `_zeros` with shape (0, 64), the first state of an RNN, gets its batch from
what it is added to. A size that is not known is None here, and a shape of unknown rank is None.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.errors import GraphError, safe
from converter.graph.operators import Call, Program

# The rules register themselves
from converter.graph.shapes import (  # noqa: F401  each declares its operators
    creation,
    elementwise,
    indexing,
    layers,
    products,
    tensors,
    vision,
)
from converter.graph.shapes.rules import MAX_RANK, RULES, At, Shape, Unfit, product, shown
from converter.graph.shapes.two_way import TWO_WAY, Dims, full, meet
from converter.graph.shapes.types import FLOAT32, Dtype, dtypes
from converter.graph.symbol import Output
from converter.graph.variables import needed_nodes

MAX_NUMBERS = 2**31  # of one tensor: more, MXNet itself holds only where it is built for it
MAX_PROBLEMS, LISTED = 50, 6
VISITS = 8  # of each call, on the average: known networks need two


@dataclass(frozen=True)
class Spec:
    """What a tensor is, without its values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def infer(program: Program, known: Mapping[str, Spec]) -> dict[Output, Spec]:
    """The shape and dtype of every output, from those of the variables by name.

    What only the labels of loss heads need is left out (`needed_nodes`). Raises `GraphError` with
    everything that does not fit (node, tensor, both shapes), and with every variable whose shape
    is neither known nor follows from the others.
    """
    needed = needed_nodes(program)
    program = Program(program.graph, tuple(c for c in program.calls if c.number in needed))
    solution = solve(program, {name: spec.shape for name, spec in known.items()})
    variables = {n: name for n, name in program.variables().items() if n in needed}
    problems = solution.problems or [*_unknown(solution, {*variables})]
    if problems:
        raise GraphError("the shapes of the graph do not fit:", problems[:MAX_PROBLEMS])
    types: dict[Output, Dtype] = {}
    for node, name in variables.items():
        types[Output(node, 0)] = known[name].dtype if name in known else FLOAT32
    for call in program.calls:
        found_types = dtypes(call, [types.get(source) for source in call.inputs])
        types |= {Output(call.number, n): dtype for n, dtype in enumerate(found_types)}
    specs = {}
    for output, dims in solution.dims.items():
        if dims is not None and output in types:
            specs[output] = Spec(tuple(size for size in dims if size is not None), types[output])
    return specs


def _unknown(solution: Solution, variables: set[int]) -> Iterator[str]:
    """The variables whose shape is not known; where there is none, the outputs."""
    wanted = [Output(node, 0) for node in sorted(variables)]
    missing = [output for output in wanted if not full(solution.dims[output])]
    if not missing:
        calls = solution.program.calls
        outputs = (Output(call.number, n) for call in calls for n in range(call.outputs))
        missing = [output for output in outputs if not full(solution.dims[output])]
    for output in missing:
        known = shown(solution.dims[output])
        yield f"the shape of {solution.name(output)} is not known: {known}"


class Solution:
    """What is known of every output so far, and what does not fit."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.dims: dict[Output, Dims] = defaultdict(lambda: None)
        self.problems: list[str] = []
        self.done = set[int]()  # calls of which all inputs were known
        self.makers = {call.number: n for n, call in enumerate(program.calls)}

    def name(self, output: Output) -> str:
        """An output as messages name it."""
        name = safe(self.program.graph.nodes[output.node].name)
        return f"{name}[{output.number}]" if output.number else name

    def learn(self, output: Output, dims: Dims) -> bool:
        """Take in what is known of an output; whether that is more than before."""
        met = meet(self.dims[output], dims)
        if met == self.dims[output]:
            return False
        self.dims[output] = met
        return True


def _visit(solution: Solution, call: Call) -> Iterator[Output]:
    """Learn what one call tells; the outputs of which something new is known."""
    outputs = [Output(call.number, n) for n in range(call.outputs)]
    ins = [solution.dims[source] for source in call.inputs]
    labels = call.operator.labels
    known = [full(dims) or name in labels for dims, name in zip(ins, call.names, strict=True)]
    if all(known):
        if call.number in solution.done:
            return
        solution.done.add(call.number)
        names = [solution.name(source) for source in call.inputs]
        shapes = [dims if full(dims) else None for dims in ins]
        at = At(call, shapes, names)
        made = RULES[call.op](at)
        solution.problems += [f"{safe(call.name)} ({call.op}): {why}" for why in at.problems]
        for output, shape in zip(outputs, made, strict=False):
            if solution.learn(output, _checked(call, shape)):
                yield output
        if all(full(solution.dims[output]) for output in outputs) or call.op in UNFINISHED:
            return
    if call.op in TWO_WAY:
        before = [solution.dims[output] for output in outputs]
        outs = [*before]
        try:
            TWO_WAY[call.op](call, ins, outs)
        except Unfit as why:
            raise Unfit(f"{why}, of {_given(solution, call)}") from None
        for output, dims in zip((*call.inputs, *outputs), (*ins, *outs), strict=True):
            if dims is not None and len(dims) > MAX_RANK:
                raise Unfit(f"it has {len(dims)} dimensions; at most {MAX_RANK} are read")
            if solution.learn(output, dims):
                yield output


def _given(solution: Solution, call: Call) -> str:
    """The inputs of a call by name, with what is known of each."""
    told = [f"{solution.name(s)} {shown(solution.dims[s])}" for s in call.inputs[:LISTED]]
    return ", ".join([*told, "…"] if len(call.inputs) > LISTED else told)


UNFINISHED = ("_zeros", "_ones", "_full", "_arange")  # whose size 0 is one that other calls tell


def _checked(call: Call, shape: Shape) -> Dims:
    """A shape that was made, as it is known: none too large, none empty."""
    if len(shape) > MAX_RANK:
        raise Unfit(f"comes out with {len(shape)} dimensions; at most {MAX_RANK} are read")
    if min(shape, default=1) < 0 or product(shape) >= MAX_NUMBERS:
        raise Unfit(f"comes out as {shown(shape)}; below {MAX_NUMBERS:,} numbers are read")
    if 0 in shape and call.op not in UNFINISHED:
        raise Unfit(f"comes out empty, as {shown(shape)}, which MXNet reads as not yet known")
    return tuple(size or None for size in shape)


def solve(program: Program, known: Mapping[str, Dims]) -> Solution:
    """What follows for every output from what is known of the variables, by name."""
    solution = Solution(program)
    takers: dict[int, list[int]] = defaultdict(list)
    for place, call in enumerate(program.calls):
        for source in {*call.inputs}:
            takers[source.node].append(place)
    for node, name in program.variables().items():
        solution.dims[Output(node, 0)] = known.get(name)
    waiting = deque(range(len(program.calls)))
    queued, failed = {*waiting}, set[int]()
    left = 1000 + VISITS * sum(len(call.inputs) + call.outputs for call in program.calls)
    while waiting:
        place = waiting.popleft()
        queued.discard(place)
        if place in failed:
            continue
        call = program.calls[place]
        left -= len(call.inputs) + call.outputs
        if left < 0:
            solution.problems.append("the shapes do not settle: each node tells the others more")
            break
        try:
            changed = [*_visit(solution, call)]
        except Unfit as why:
            failed.add(place)
            solution.problems.append(f"{safe(call.name)} ({call.op}): {why}")
            continue
        for node in {output.node for output in changed}:
            around = [*takers[node], *([solution.makers[node]] if node in solution.makers else [])]
            for other in around:
                itself = other == place and call.number in solution.done
                if not itself and other not in queued:
                    queued.add(other)
                    waiting.append(other)
    return solution
