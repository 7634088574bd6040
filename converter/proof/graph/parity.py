"""Parity of a graph: MXNet's arithmetic in NumPy against the written module, at every node.

Both run in lockstep. Behind every assignment of `forward` stands an observer, which takes the
reference's value of the same node and compares. It then hands the reference's value on, so that
the next node is compared on the very same numbers: a difference is of that node alone, and neither
depth nor a threshold in the graph (a maximum, a sort, a rounding) makes more of it. The outputs
are compared once more, from a run of the module without any of this.
"""

from __future__ import annotations

import heapq
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from converter.errors import GraphError
from converter.graph.interpreter import run
from converter.graph.operators import Call
from converter.graph.symbol import Output
from converter.params import Weights
from converter.planning.graph import GraphPlan, output_name
from converter.proof.graph.difference import (
    ROWS,
    NodeDifference,
    largest_of,
    measure,
    measure_rows,
)
from converter.proof.graph.inputs import SEED, sizes_to_try, values_of
from converter.proof.graph.module import Observer, load_module, loaded
from converter.proof.parity import ROUNDING

WORST = 8  # nodes that are listed
NODE = 1e-5  # how far one node may be off, of its largest value: float32 has seven digits


@dataclass(frozen=True)
class Run:
    """One run of both sides: `inputs` are the shapes, `nodes` how many outputs were compared.

    `worst` are those of nodes on the same numbers, the largest differences first; `outputs` are the
    module's own, from its inputs alone.
    """

    inputs: Mapping[str, tuple[int, ...]]
    nodes: int
    worst: tuple[NodeDifference, ...]
    outputs: tuple[NodeDifference, ...]


@dataclass(frozen=True)
class GraphParity:
    """Every node of the graph, in `runs` of several sizes: within `allowed` of its largest value.

    The outputs of a whole run may be off by `atol`, relative to the largest of each. `rounding`:
    what the cast of `--dtype` does to them (empty without a cast).
    """

    passed: bool
    allowed: float
    atol: float
    seed: int
    runs: tuple[Run, ...]
    rounding: tuple[NodeDifference, ...]
    problems: tuple[str, ...]


def check_graph_parity(plan: GraphPlan, directory: Path, atol: float) -> GraphParity:
    """Run both sides on every size that the graph takes, and compare."""
    import torch

    runs: list[Run] = []
    rounding: tuple[NodeDifference, ...] = ()
    problems: list[str] = []
    with Weights(plan.index) as weights, torch.inference_mode():
        source = Source(plan, weights)
        for specs in sizes_to_try(plan):
            shown = ", ".join(f"{n} {'×'.join(map(str, s.shape))}" for n, s in specs.items())
            values = values_of(plan, specs)
            try:
                runs.append(_compare(plan, directory, source, values))
            except GraphError as error:
                problems.append(f"{'; '.join([error.headline, *error.problems])}, on {shown}")
            except Exception as error:  # torch states no errors: the module cannot run on it
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                problems.append(f"the module cannot run on {shown}: {reason}")
            else:
                problems += _judged(runs[-1], atol, shown)
            if not rounding and any(step.casts for step in plan.steps):
                rounding = tuple(_rounding(plan, weights, values))
        problems += _too_much(plan, rounding)
    return GraphParity(not problems, NODE, atol, SEED, tuple(runs), rounding, tuple(problems))


def _judged(found: Run, atol: float, shown: str) -> Iterator[str]:
    for differences, allowed in ((found.worst, NODE), (found.outputs, atol)):
        for one in differences:
            if not one.relative <= allowed:
                yield (
                    f"{one.node} ({one.operator}) differs by {one.relative:.1e} of its largest "
                    f"value, more than {allowed:g} allows, on {shown}"
                )


def _compare(
    plan: GraphPlan, directory: Path, source: Source, values: Mapping[str, np.ndarray]
) -> Run:
    lockstep = _Lockstep(plan, run(plan.program, source.beside(values)))
    run_module(plan, directory, values, lockstep)
    lockstep.finish()
    heads = plan.program.graph.heads
    made = run_module(plan, directory, values)
    outputs = tuple(compare_outputs(plan, dict(zip(heads, made, strict=True)), lockstep.heads))
    worst = heapq.nlargest(WORST, lockstep.found, key=lambda one: one.relative)
    shapes = {name: value.shape for name, value in values.items()}
    return Run(shapes, len(lockstep.found), tuple(worst), outputs)


def run_module(
    plan: GraphPlan,
    directory: Path,
    values: Mapping[str, np.ndarray],
    observer: Observer | None = None,
) -> Sequence[np.ndarray]:
    """What `load()` and a call of the written module give for these inputs, as arrays."""
    import torch

    given = [torch.from_numpy(values[name].copy()) for name in plan.emitted.inputs]
    with loaded(load_module(plan, directory, observer), directory) as model:
        result = model(*given)
    return [one.numpy() for one in (result if isinstance(result, tuple) else (result,))]


def compare_outputs(
    plan: GraphPlan, made: Mapping[Output, np.ndarray], expected: Mapping[Output, np.ndarray]
) -> Iterator[NodeDifference]:
    """The graph's outputs; those that come of detections as rows.

    In a whole run a rounding may also exchange two values that are almost equal: what `topk` picks
    may have moved by one place. At the node itself it has not (see `_Lockstep`).
    """
    calls = {call.number: call for call in plan.program.calls}
    of_rows, of_topk = (_behind(plan, operators) for operators in (ROWS, ("topk",)))
    for head, value in made.items():
        rows = head.node in of_rows | of_topk
        if rows:
            relative = measure_rows(
                value, expected[head], within=None if head.node in of_rows else 1
            )
        else:
            relative = measure(value, expected[head])
        operator = calls[head.node].op if head.node in calls else "variable"
        name, largest = output_name(plan.program, head), largest_of(expected[head])
        yield NodeDifference(name, operator, value.shape, relative, largest, rows)


def _behind(plan: GraphPlan, operators: Collection[str]) -> set[int]:
    """The calls of these operators, and those that take what comes of them."""
    found = set[int]()
    for call in plan.program.calls:
        if call.op in operators or found & {source.node for source in call.inputs}:
            found.add(call.number)
    return found


def _rounding(
    plan: GraphPlan, weights: Weights, values: Mapping[str, np.ndarray]
) -> Iterator[NodeDifference]:
    """How far the cast of the weights moves the outputs."""
    before, after = (
        _heads(plan, Source(plan, weights, casts=casts).beside(values)) for casts in (False, True)
    )
    yield from compare_outputs(plan, after, before)


def _heads(plan: GraphPlan, values: Mapping[str, np.ndarray]) -> dict[Output, np.ndarray]:
    found: dict[Output, np.ndarray] = {}
    for call, arrays in run(plan.program, values):
        for number, array in enumerate(arrays):
            if Output(call.number, number) in plan.program.graph.heads:
                found[Output(call.number, number)] = array
    return found


def _too_much(plan: GraphPlan, rounding: Sequence[NodeDifference]) -> Iterator[str]:
    for found in rounding:
        if not found.relative <= ROUNDING[plan.dtype]:
            yield (
                f"rounding to {plan.dtype} moves {found.node} by {found.relative:.1e} of its "
                f"largest value, more than {ROUNDING[plan.dtype]:g}: choose another --dtype"
            )


class Source(Mapping[str, np.ndarray]):
    """The graph's parameters by the names of their variables, read when they are needed.

    Cast as the plan casts them; half precision is computed in float32, as the plan says.
    """

    def __init__(self, plan: GraphPlan, weights: Weights, *, casts: bool = True) -> None:
        self._plan, self._weights = plan, weights
        self._casts = {s.source.name: s for s in plan.steps if casts and s.source and s.casts}

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._plan.entries[name]
        array = self._weights.whole(entry)
        if step := self._casts.get(entry.name):
            array = step.cast(array)
        return array.astype(self._plan.parameters[name].dtype, copy=False)

    def __contains__(self, name: object) -> bool:
        return name in self._plan.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._plan.entries)

    def __len__(self) -> int:
        return len(self._plan.entries)

    def beside(self, values: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """These inputs and the parameters."""
        return ChainMap(dict(values), cast("dict[str, np.ndarray]", self))


class _Lockstep:
    """The observer: the reference goes on as far as the module has come."""

    def __init__(
        self, plan: GraphPlan, reference: Iterator[tuple[Call, tuple[np.ndarray, ...]]]
    ) -> None:
        self._reference, self._lines = reference, plan.emitted.lines
        self._calls = {call.number: call for call in plan.program.calls}
        self._wanted = {output for outputs in self._lines for output in outputs}
        self._of_heads = {*plan.program.graph.heads}
        self._kept: dict[Output, np.ndarray] = {}
        self.heads: dict[Output, np.ndarray] = {}
        self.found: list[NodeDifference] = []

    def __call__(self, number: int, values: Any) -> Any:
        import torch

        outputs = self._lines[number]
        alone = isinstance(values, tuple) and len(values) == len(outputs)
        made = values if alone else [values[output.number] for output in outputs]
        handed: list[Any] = []
        for output, value in zip(outputs, made, strict=True):
            expected = self._expected(output)
            self._note(output, value.numpy(), expected)
            same = torch.from_numpy(np.array(expected)).to(value.dtype)
            handed.append(same if same.shape == value.shape else value)
        return tuple(handed)

    def finish(self) -> None:
        """Let the reference come to its end: outputs that the module gives by another name."""
        for _ in self._steps():
            pass

    def _steps(self) -> Iterator[None]:
        for call, arrays in self._reference:
            for number, array in enumerate(arrays):
                output = Output(call.number, number)
                if output in self._wanted:
                    self._kept[output] = array
                if output in self._of_heads:
                    self.heads[output] = array
            yield

    def _expected(self, output: Output) -> np.ndarray:
        """The reference's value of an output; the reference computes until it has it."""
        steps = self._steps()
        while output not in self._kept:
            next(steps)
        return self._kept.pop(output)

    def _note(self, output: Output, value: np.ndarray, expected: np.ndarray) -> None:
        call = self._calls[output.node]
        rows = call.op in ROWS
        relative = (measure_rows if rows else measure)(value, expected)
        name = call.name + (f"[{output.number}]" if call.outputs > 1 else "")
        largest = largest_of(expected)
        self.found.append(NodeDifference(name, call.op, value.shape, relative, largest, rows))
