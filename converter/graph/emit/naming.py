"""Names: what each value, submodule and parameter of the module is called."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from converter.graph.emit.emitted import Parameter
from converter.graph.emit.helpers import helpers
from converter.graph.emit.names import MODULE as TAKEN
from converter.graph.emit.names import RESERVED, Names
from converter.graph.emit.site import MODULE, VALUE, Module, Piece, Scope, Statement
from converter.graph.symbol import Output

UNPACKED = 4  # outputs of one statement that get names of their own; more are a tuple's items


class Naming:
    """Everything named: `statements` in order, `heads`, and the scope they come from."""

    def __init__(
        self, scope: Scope, statements: Sequence[Statement], heads: Sequence[Output]
    ) -> None:
        self.scope, self.statements, self.heads = scope, statements, heads
        self.nodes = scope.program.graph.nodes
        local = Names(frozenset(RESERVED | {*helpers()}))
        variables = [node.name for node in self.nodes if node.is_variable]
        self.inputs = {name: local.new(name, "data") for name in variables if name in scope.inputs}
        self._members()
        self.values: dict[Output, str] = {}
        self.targets = self._values(local)

    def text(self, text: str) -> str:
        """A statement's text with names for tokens."""
        text = VALUE.sub(lambda m: self.value(Output(int(m[1]), int(m[2]))), text)
        return MODULE.sub(lambda m: self.members[int(m[1])], text)

    def value(self, output: Output) -> str:
        """The name of a value where it is used."""
        node = self.nodes[output.node]
        if not node.is_variable:
            return self.values[output]
        return self.inputs.get(node.name) or f"self.{self.own[node.name]}"

    def modules(self) -> Iterator[tuple[str, Module]]:
        """The submodules that are needed, by name, in the order they are used."""
        for number, name in self.members.items():
            yield name, self.scope.modules[number]

    def parameters(self) -> Iterator[Parameter]:
        """The state dict: the module's own parameters, its own buffers, then each submodule's."""
        for name, piece in sorted(self.raw, key=lambda raw: not raw[1].trained):
            yield _parameter(name, piece)
        for name, module in self.modules():
            for key, piece in module.pieces:
                yield _parameter(f"{name}.{key}", piece)

    def _members(self) -> None:
        """Name submodules, and parameters that no submodule holds."""
        names = Names(frozenset(RESERVED | TAKEN))
        numbers = dict.fromkeys(
            int(number) for s in self.statements for number in MODULE.findall(s.text)
        )
        modules = self.scope.modules
        self.members = {n: names.new(modules[n].name, modules[n].otherwise) for n in numbers}
        self.ties: list[tuple[str, str]] = []  # a tensor and the one that it is
        self.own: dict[str, str] = {}  # variable → where it is held whole
        for name, module in self.modules():
            for key, piece in module.pieces:
                if piece.variable is None or not self._whole(piece):
                    continue
                if (
                    first := self.own.setdefault(piece.variable, f"{name}.{key}")
                ) != f"{name}.{key}":
                    self.ties.append((f"{name}.{key}", first))
        self.raw: list[tuple[str, Piece]] = []
        for output in self._taken():
            variable = self.scope.variable(output)
            if variable is not None and variable not in self.own:
                spec = self.scope.specs[output]
                name = self.own[variable] = names.new(variable, "parameter")
                size = math.prod(spec.shape)
                trained = spec.dtype.kind == "f" and variable not in self.scope.constants
                piece = Piece(tuple(spec.shape), spec.dtype, variable, 0, size, trained=trained)
                self.raw.append((name, piece))

    def _whole(self, piece: Piece) -> bool:
        return piece.shape == self.scope.shapes.get(piece.variable or "")

    def _taken(self) -> Iterator[Output]:
        """Every value that a statement or the module's caller takes."""
        for statement in self.statements:
            yield from statement.takes()
        yield from self.heads

    def _values(self, local: Names) -> list[str]:
        """The targets of each statement, and with them the names of the values.

        A value that only the next statement takes is `x`, as in a chain written by hand.
        """
        last: dict[Output, int] = {}
        first: dict[Output, int] = {}
        for place, statement in enumerate(self.statements):
            for output in statement.takes():
                first.setdefault(output, place)
                last[output] = place
        end = len(self.statements)
        for head in self.heads:
            first.setdefault(head, end)
            last[head] = end
        targets = []
        for place, statement in enumerate(self.statements):
            count, fallback = statement.call.outputs, statement.call.op.strip("_").lower()
            base = statement.call.name.removesuffix("_fwd")
            if count > UNPACKED and not statement.pattern:
                name = local.new(base, fallback)
                self.values |= {o: f"{name}[{o.number}]" for o in statement.outputs()}
                targets.append(name)
                continue
            found = []
            for output in statement.outputs():
                if output not in last:
                    found.append("_")
                    continue
                chained = first[output] == last[output] == place + 1 and output.number == 0
                chained &= count == 1 or bool(statement.pattern)
                chained &= place + 1 < end or len(self.heads) == 1
                alone = count == 1 or (statement.pattern and output.number == 0)
                name = base if alone else f"{base}_{output.number}"
                self.values[output] = "x" if chained else local.new(name, fallback)
                found.append(self.values[output])
            pattern = statement.pattern or ", ".join("{}" for _ in found)
            targets.append(pattern.format(*found).replace("(_, _)", "_"))
        return targets

    def lines(self) -> tuple[tuple[Output, ...], ...]:
        """What each statement's targets hold."""
        return tuple(
            tuple(output for output in statement.outputs() if output in self.values)
            for statement in self.statements
        )


def _parameter(key: str, piece: Piece) -> Parameter:
    return Parameter(
        key, piece.shape, piece.dtype, piece.variable, piece.start, piece.stop, piece.constant
    )
