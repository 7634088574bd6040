"""A network with one thing wrong in it, and what the reference computes of it then.

Only what follows from the change is computed again, so that thousands of mutants take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from converter.graph.attributes import Attribute
from converter.graph.interpreter import run
from converter.graph.interpreter.run import compute, open_sizes, read
from converter.graph.operators import Call, Program, operators
from converter.graph.symbol import Output
from converter.planning.graph import GraphPlan
from converter.planning.steps import Step


@dataclass(frozen=True)
class Mutant:
    """One thing that is wrong.

    `kind` is "flip" (another value of an attribute: `call` in place of `before`), "drop" (the node
    hands on its first input) or "swap" (two tensors of the module, `steps`, hold each other's
    values: `values` are the variables then). `change` says what was done, in a word.
    """

    kind: str
    change: str = ""
    before: Call | None = None
    call: Call | None = None
    key: str = ""
    steps: tuple[Step, ...] = ()
    values: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.before is None:
            return f"swap {' and '.join(step.target for step in self.steps)}"
        return f"{self.kind} {self.before.name} ({self.before.op}) {self.key} {self.change}"


def other_values(value: Any, attribute: Attribute) -> Iterator[tuple[str, Any]]:
    """Other values of an attribute, of the same type, and what was done."""
    if attribute.none and value is not None:
        yield "None", None
    if attribute.type in ("enum", "dtype"):
        yield from ((f"={one}", one) for one in attribute.values if one != value)
    elif attribute.type == "bool":
        yield f"={not value}", not value
    elif isinstance(value, tuple):
        for place, one in enumerate(value):
            for change, number in _other_numbers(one):
                yield change, (*value[:place], number, *value[place + 1 :])
    elif value is None and attribute.type in ("int", "float"):
        yield "a number", 1 if attribute.type == "int" else 1.0
    elif isinstance(value, int | float):
        yield from _other_numbers(value)


def _other_numbers(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, int):
        yield from (("+1", value + 1), ("-1", value - 1))
    elif isinstance(value, float):
        yield "another", value * 2 if value else 1.5


def flips(program: Program) -> Iterator[Mutant]:
    """Every attribute of every node, but for those of which no value matters at inference."""
    for call in program.calls:
        for key, value in call.attributes.items():
            if key in call.operator.ignored:
                continue
            for change, now in other_values(value, call.operator.attributes[key]):
                mutant = replace(call, attributes={**call.attributes, key: now})
                yield Mutant("flip", change, call, mutant, key)


def drops(program: Program) -> Iterator[Mutant]:
    """Every node that takes something: it hands on its first input."""
    nothing: Any = {"operator": operators()["_copy"], "names": ("data",), "attributes": {}}
    for call in program.calls:
        if call.inputs:
            dropped = replace(call, inputs=call.inputs[:1], outputs=1, **nothing)
            yield Mutant("drop", "", call, dropped)


def swaps(plan: GraphPlan, values: Mapping[str, np.ndarray]) -> Iterator[Mutant]:
    """Every two tensors of the module that have one shape and come from the file."""
    names = {entry.name: name for name, entry in plan.entries.items()}
    steps = [step for step in plan.steps if step.source]
    for pair in combinations(steps, 2):
        if pair[0].shape != pair[1].shape:
            continue
        of = [names[step.source.name] for step in pair if step.source]
        swapped = {name: values[name].copy() for name in of}
        parts = [_part(swapped[name], step) for name, step in zip(of, pair, strict=True)]
        first = parts[0].copy()
        parts[0][:], parts[1][:] = parts[1].copy(), first
        yield Mutant("swap", steps=pair, values=swapped)


def _part(array: np.ndarray, step: Step) -> np.ndarray:
    """What a tensor of the module holds of a variable, flat; a view."""
    flat = array.reshape(-1)
    return flat[step.part : step.number] if step.operation == "range" else flat


def mutated(program: Program, mutant: Mutant) -> Program:
    """The program with the changed call."""
    calls = (_instead(call, mutant) for call in program.calls)
    return Program(program.graph, tuple(calls))


def _instead(call: Call, mutant: Mutant) -> Call:
    it = mutant.call is not None and mutant.call.number == call.number
    return mutant.call if it and mutant.call is not None else call


class Ground:
    """What every node computes from these values of the variables."""

    def __init__(self, program: Program, values: Mapping[str, np.ndarray]) -> None:
        self.program, self.values = program, values
        self._numbers = {name: n for n, name in program.variables().items()}
        self.held = {
            Output(n, 0): np.require(values[name], requirements="A")
            for name, n in self._numbers.items()
            if name in values
        }
        self.calls: list[Call] = []
        for call, outputs in run(program, values):
            self.calls.append(call)
            self.held |= {Output(call.number, n): array for n, array in enumerate(outputs)}
        self._sizes = open_sizes(program, self.calls, values)

    def input(self, call: Call, name: str | int = 0) -> np.ndarray:
        """The value of a call's input, by its name or place."""
        source = call.inputs[name] if isinstance(name, int) else call.input(name)
        assert source is not None
        return self.held[source]

    def output(self, call: Call, number: int = 0) -> np.ndarray:
        """The value of a call's output."""
        return self.held[Output(call.number, number)]

    def changed(self, mutant: Mutant) -> Iterator[tuple[Output, np.ndarray]]:
        """Every output that is another now, in order. Raises `GraphError` where there is none."""
        calls = [_instead(call, mutant) for call in self.calls]
        new = {Output(self._numbers[name], 0): value for name, value in mutant.values.items()}
        sizes = self._sizes
        if sizes and mutant.kind == "flip" and self._moves(mutant):
            sizes = open_sizes(mutated(self.program, mutant), calls, self.values)
        for call in calls:
            sources = dict(read(call))
            moved = sizes.get(call.number) != self._sizes.get(call.number)
            if call is not mutant.call and not moved and new.keys().isdisjoint(sources.values()):
                continue
            for number, array in enumerate(self._computed(call, sizes, new)):
                output = Output(call.number, number)
                if not same(array, self.held[output]):
                    new[output] = array
                    yield output, array

    def _computed(
        self,
        call: Call,
        sizes: Mapping[int, tuple[int, ...]],
        new: Mapping[Output, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, ...]:
        new = new or {}
        inputs = {name: new[o] if o in new else self.held[o] for name, o in read(call)}
        return compute(call, inputs, sizes)

    def _moves(self, mutant: Mutant) -> bool:
        """Whether a changed call has another shape, or one that is told by what takes it."""
        call = mutant.call
        assert call is not None
        if not call.inputs:
            return True
        found = self._computed(call, self._sizes)
        return any(a.shape != self.output(call, n).shape for n, a in enumerate(found))


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are the same, bit for bit."""
    return (a.shape, a.dtype) == (b.shape, b.dtype) and a.tobytes() == b.tobytes()


def is_refused(mutant: Mutant) -> bool:
    """Whether operators.toml does not support the changed attribute, or not with these inputs."""
    if mutant.kind != "flip" or mutant.call is None:
        return False
    call, operator = mutant.call, mutant.call.operator
    attribute, only = operator.attributes[mutant.key], operator.only.get(mutant.key, ())
    if only and call.attributes[mutant.key] not in [attribute.read(one) for one in only]:
        return True
    return not operator.variadic and operator.inputs_with(call.attributes) != call.names
