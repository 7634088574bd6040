"""What a rule sees of one call: its inputs as text, what is known of them, and where modules go."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from converter.errors import GraphError, safe
from converter.graph import shapes as shapes_of
from converter.graph.emit.literals import literal
from converter.graph.operators import Call, Program
from converter.graph.symbol import Output

# Text of a statement holds values and modules as tokens, named when all their uses are known.
VALUE = re.compile("\ue000([0-9]+)[.]([0-9]+)\ue001")
MODULE = re.compile("\ue002([0-9]+)\ue001")


class Spec(Protocol):
    """Shape and dtype of an output."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...


def value(output: Output) -> str:
    """The token of a value."""
    return f"\ue000{output.node}.{output.number}\ue001"


@dataclass(frozen=True)
class Piece:
    """What a tensor of the module holds: the values [start, stop) of a variable, or a constant.

    `trained`: whether it is an `nn.Parameter` that an optimizer may change.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    variable: str | None
    start: int = 0
    stop: int = 0
    constant: str = ""
    trained: bool = True


@dataclass(frozen=True)
class Module:
    """One submodule: the text that constructs it, and its state dict in order.

    `frozen`: it normalizes by stored statistics in training too. `name` is what to call it.
    """

    constructor: str
    pieces: tuple[tuple[str, Piece], ...]
    name: str = field(compare=False)
    otherwise: str = field(compare=False)
    frozen: bool = False


@dataclass
class Scope:
    """A program, what is known of its values, and the modules made so far."""

    program: Program
    specs: Mapping[Output, Spec]
    inputs: frozenset[str]
    modules: list[Module] = field(default_factory=list)
    numbers: dict[Module, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # variable → why no tensor holds it
    _longer: dict[tuple[tuple[Output, ...], int], Mapping[Output, Spec] | None] = field(
        default_factory=dict
    )

    @functools.cached_property
    def given(self) -> tuple[Output, ...]:
        """The variables that the caller gives, in order."""
        names = self.program.variables().items()
        return tuple(Output(number, 0) for number, name in names if name in self.inputs)

    @functools.cached_property
    def constants(self) -> frozenset[str]:
        """The variables that MXNet does not train: Gluon's constants, and lr_mult=0."""
        found = set()
        for node in self.program.graph.nodes:
            rate = node.user.get("__lr_mult__", node.user.get("lr_mult", ""))
            if node.user.get("__init__", "").startswith("Constant_") or rate in ("0", "0.0"):
                found.add(node.name)
        return frozenset(found)

    @functools.cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of the variables that are known."""
        found = ((name, Output(number, 0)) for number, name in self.program.variables().items())
        return {name: tuple(self.specs[o].shape) for name, o in found if o in self.specs}

    def longer(self, outputs: tuple[Output, ...], axis: int) -> Mapping[Output, Spec] | None:
        """What is known of all values where an axis of these inputs is one longer, if that fits."""
        if (outputs, axis) not in self._longer:
            variables = self.program.variables().items()
            known = {
                name: self.specs[o] for n, name in variables if (o := Output(n, 0)) in self.specs
            }
            shapes = {name: list(spec.shape) for name, spec in known.items()}
            for output in outputs:
                shapes[self.program.graph.nodes[output.node].name][axis] += 1
            stated = {n: shapes_of.Spec(tuple(s), known[n].dtype) for n, s in shapes.items()}
            try:
                self._longer[outputs, axis] = shapes_of.infer(self.program, stated)
            except GraphError:
                self._longer[outputs, axis] = None
        return self._longer[outputs, axis]

    def variable(self, output: Output) -> str | None:
        """The name of the parameter that an output is; None for everything else."""
        node = self.program.graph.nodes[output.node]
        return node.name if node.is_variable and node.name not in self.inputs else None


@dataclass
class Site:
    """One call: `site["data"]` is the text of an input, `site.attributes` are typed."""

    call: Call
    scope: Scope
    calls: Mapping[int, Call]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The call's attributes."""
        return self.call.attributes

    def __getitem__(self, name: str) -> str:
        output = self.call.input(name)
        if output is None:
            raise self.refuse(f"has no input {name}")
        return value(output)

    def has(self, name: str) -> bool:
        """Whether the call has this input."""
        return name in self.call.names

    def all(self) -> list[str]:
        """The texts of all inputs."""
        return [value(output) for output in self.call.inputs]

    def spec(self, name: str | int = 0) -> Spec:
        """Shape and dtype of an input, by its name or place."""
        output = self.call.input(name) if isinstance(name, str) else self.call.inputs[name]
        if output is None or output not in self.scope.specs:
            raise self.refuse("the shape of its input is not known")
        return self.scope.specs[output]

    def out(self, number: int = 0) -> Spec:
        """Shape and dtype of an output."""
        output = Output(self.call.number, number)
        if output not in self.scope.specs:
            raise self.refuse("the shape of its output is not known")
        return self.scope.specs[output]

    def shape(self, name: str | int = 0) -> tuple[int, ...]:
        """The shape of an input."""
        return self.spec(name).shape

    def rank(self, name: str | int = 0) -> int:
        """How many axes an input has."""
        return len(self.spec(name).shape)

    def axis(self, axis: int, name: str | int = 0, more: int = 0) -> int:
        """An axis counted from 0, checked: of the input (`more` axes where the output has more)."""
        rank = self.rank(name) + more
        if not -rank <= axis < rank:
            raise self.refuse(f"axis {axis} of a value with {rank} axes")
        return axis % rank

    def one_dtype(self) -> None:
        """Refuse inputs of several dtypes, as MXNet does."""
        known = [o for o in self.call.inputs if o in self.scope.specs]
        kinds = sorted({str(self.scope.specs[o].dtype) for o in known})
        if len(kinds) > 1:
            raise self.refuse(f"values of several dtypes: {', '.join(kinds)}")

    def refuse(self, why: str) -> GraphError:
        """An error that names this node."""
        return GraphError(f"{safe(self.call.name)} ({self.call.op}): {why}")

    def piece(self, name: str, *, trained: bool = True) -> Piece | None:
        """What a module's tensor would hold if it were this input; None where that is computed."""
        output = self.call.input(name)
        variable = None if output is None else self.scope.variable(output)
        if variable is None:
            return None
        spec = self.spec(name)
        size, trained = math.prod(spec.shape), trained and variable not in self.scope.constants
        return Piece(tuple(spec.shape), spec.dtype, variable, 0, size, trained=trained)

    def module(
        self,
        kind: str,
        arguments: list[str],
        pieces: Mapping[str, Piece] = MappingProxyType({}),
        *,
        frozen: bool = False,
    ) -> str:
        """The text that names a submodule `kind(arguments)` with these tensors in its state dict.

        Two calls that ask for the same module with the same tensors share it.
        """
        dtypes = {piece.dtype for key, piece in pieces.items() if key != "num_batches_tracked"}
        if len(dtypes) > 1:
            raise self.refuse(f"its parameters have several dtypes: {', '.join(map(str, dtypes))}")
        for dtype in dtypes - {np.dtype(np.float32)}:
            arguments = [*arguments, f"dtype={literal(dtype)}"]
        module = Module(
            f"{kind}({', '.join(arguments)})",
            tuple(pieces.items()),
            self.name(pieces.values()),
            self.call.op.strip("_").lower(),
            frozen,
        )
        number = self.scope.numbers.get(module) if pieces else None
        if number is None:
            number = len(self.scope.modules)
            self.scope.modules.append(module)
            self.scope.numbers[module] = number
        return f"self.\ue002{number}\ue001"

    def name(self, pieces: Any = ()) -> str:
        """What to call this layer: what its parameters' names begin with, or the node's name."""
        variables = {piece.variable for piece in pieces if piece.variable}
        begin = {re.sub("(_moving|_running)?_[^_]*$", "", variable) for variable in variables}
        if len(begin) == 1 and (only := begin.pop()):
            return only
        return self.call.name.removesuffix("_fwd")


@dataclass(frozen=True)
class Statement:
    """One assignment of `forward`: its expression, with tokens, and the pattern of its targets."""

    call: Call
    text: str
    pattern: str = ""

    def outputs(self) -> tuple[Output, ...]:
        """What the statement computes."""
        return tuple(Output(self.call.number, n) for n in range(self.call.outputs))

    def takes(self) -> list[Output]:
        """The values that the expression names."""
        return [Output(int(node), int(number)) for node, number in VALUE.findall(self.text)]


Rule = Callable[[Site], "str | tuple[str, str]"]
RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register how calls of these operators are written.

    A rule returns an expression, or with it the pattern of its targets such as "{0}, _".
    """

    def register(function: Rule) -> Rule:
        for operator in operators:
            assert operator not in RULES, operator
            RULES[operator] = function
        return function

    return register
