"""What a shape rule sees and says, and the registry of all rules, by the operator's own name.

A rule gets the shapes of a call's inputs and returns those of its outputs. Every rule is written
from the `FInferShape` (or `InferShape`) of apache/mxnet 1.9.1; its docstring names the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from converter.graph.operators import Call

Shape = tuple[int, ...]
MAX_RANK = 32  # of NumPy 1


class Unfit(Exception):  # noqa: N818 - what it says stands in a GraphError
    """The inputs of one call do not fit its attributes, or one another: why not, in words."""


class At:
    """One call with the shapes of its inputs. `problems`: what is wrong and hides no output."""

    def __init__(self, call: Call, shapes: Sequence[Shape | None], tensors: Sequence[str]) -> None:
        self.call, self.shapes, self.tensors = call, shapes, tensors
        self.problems: list[str] = []

    def __getitem__(self, attribute: str) -> Any:
        return self.call.attributes[attribute]

    @property
    def data(self) -> Shape:
        """The shape of the first input."""
        return self.shape(0)

    @property
    def all(self) -> list[Shape]:
        """The shapes of all inputs."""
        return [self.shape(place) for place in range(len(self.shapes))]

    def shape(self, input_: str | int) -> Shape:
        """The shape of an input, by its name or place."""
        place = self._place(input_)
        shape = self.shapes[place] if place is not None else None
        if shape is None:
            raise Unfit(f"its input {input_} is not there")
        return shape

    def _place(self, input_: str | int) -> int | None:
        if isinstance(input_, int):
            return input_ if input_ < len(self.shapes) else None
        return self.call.names.index(input_) if input_ in self.call.names else None

    def tensor(self, input_: str | int) -> str:
        """The name of what feeds an input."""
        place = self._place(input_)
        return str(input_) if place is None else self.tensors[place]

    def must(self, input_: str, *expected: Shape) -> None:
        """Note it where an input that is there has none of these shapes."""
        if self._place(input_) is None or self.shape(input_) in expected:
            return
        wanted = " or ".join(map(shown, expected))
        self.problems.append(
            f"{input_} {self.tensor(input_)} is {shown(self.shape(input_))}, "
            f"and with {self.tensor(0)} of {shown(self.data)} it must be {wanted}"
        )

    def rank(self, input_: str | int, *ranks: int) -> Shape:
        """The shape of an input that must have one of these ranks."""
        shape = self.shape(input_)
        if len(shape) not in ranks:
            wanted = " or ".join(map(str, ranks))
            raise Unfit(
                f"{self.tensor(input_)} is {shown(shape)}, and must have {wanted} dimensions"
            )
        return shape

    def axis(self, attribute: str, rank: int | None = None) -> int:
        """The axis that an attribute names, counted from the front."""
        return self.counted(self[attribute], attribute, rank)

    def counted(self, axis: int, attribute: str, rank: int | None = None) -> int:
        """An axis counted from the front, that must be one of the first input's."""
        rank = len(self.data) if rank is None else rank
        if not -rank <= axis < rank:
            raise Unfit(f"{attribute}={axis} is no axis of {self.tensor(0)} {shown(self.data)}")
        return axis % rank

    def axes(self, attribute: str) -> tuple[int, ...]:
        """The axes that an attribute names, each once."""
        stated = self[attribute]
        found = tuple(self.counted(axis, attribute) for axis in _numbers(stated))
        if len({*found}) < len(found):
            raise Unfit(f"{attribute}={stated} names one axis twice")
        return found

    def sizes(self, attribute: str) -> Shape:
        """Sizes that an attribute states; it may have been left out."""
        if self[attribute] is None:
            raise Unfit(f"its attribute {attribute} is missing")
        return tuple(self[attribute])

    def positive(self, attribute: str, rank: int, default: int = 1, least: int = 1) -> Shape:
        """Sizes of `rank` dimensions, each at least `least`; the default where none are stated."""
        sizes = tuple(self[attribute] or (default,) * rank)
        if len(sizes) != rank or any(size is None or size < least for size in sizes):
            raise Unfit(f"{attribute}={sizes} is no {rank} numbers of at least {least}")
        return sizes

    def unlike(self, other: str | int) -> Unfit:
        """That the first input and another one do not go together."""
        return Unfit(
            f"{self.tensor(0)} is {shown(self.data)} and {self.tensor(other)} is "
            f"{shown(self.shape(other))}, which do not go together"
        )


def _numbers(value: Any) -> Iterable[int]:
    return (value,) if isinstance(value, int) else value


def shown(shape: Sequence[int | None] | None) -> str:
    """A shape as messages have it: `(1, 3, ?, ?)`."""
    if shape is None:
        return "(of unknown shape)"
    inner = ", ".join("?" if size is None else str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def product(sizes: Iterable[int]) -> int:
    """How many numbers a tensor of these sizes has."""
    return math.prod(sizes)


Rule = Callable[[At], Sequence[Shape]]
_RULES: dict[str, Rule] = {}
RULES: Mapping[str, Rule] = _RULES


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for these operators."""

    def register(function: Rule) -> Rule:
        for name in names:
            _RULES[name] = function
        return function

    return register
