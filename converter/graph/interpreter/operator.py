"""How MXNet's operators are written here: one function an operator, by MXNet's own names.

A function takes the operator's inputs by their names in MXNet and its attributes as keywords, typed
as `Call.attributes` has them. An attribute that no function of the operator takes, and that is not
declared as one without effect at inference, is refused when a graph has the operator.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class Unhandled(Exception):  # noqa: N818  it becomes a GraphError that names the node
    """An attribute value that MXNet takes and this interpreter does not."""

    def __init__(self, attribute: str, value: object) -> None:
        self.attribute, self.value = attribute, value
        super().__init__(f"{attribute}={value}")


@dataclass(frozen=True)
class Reference:
    """The function that computes an operator at inference.

    `attributes` are those it takes; none of `without_effect` changes what comes out; `unread` are
    inputs of which no value is needed, the labels of loss heads.
    """

    function: Function
    attributes: frozenset[str]
    without_effect: frozenset[str]
    unread: frozenset[str]


REFERENCES: dict[str, Reference] = {}


def computes(
    *operators: str, without_effect: tuple[str, ...] = (), unread: tuple[str, ...] = ()
) -> Callable[[F], F]:
    """Declare what a function computes; its keyword-only parameters are the attributes."""

    def declare(function: F) -> F:
        attributes = frozenset(
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        )
        for operator in operators:
            REFERENCES[operator] = Reference(
                function, attributes, frozenset(without_effect), frozenset(unread)
            )
        return function

    return declare


def require(condition: bool, what: str) -> None:
    """Raise `ValueError` where MXNet's own check of shapes would."""
    if not condition:
        raise ValueError(what)


def real_axis(axis: int, data: Array) -> int:
    """An axis, from the end where it is below zero. Raises `ValueError` for none of the data's."""
    require(-data.ndim <= axis < data.ndim, f"axis {axis} is none of {data.ndim} dimensions")
    return axis % data.ndim


def at(axis: int, part: slice) -> tuple[slice, ...]:
    """The index of a part of one axis."""
    return (*(slice(None),) * axis, part)


def dtype_named(name: str, attribute: str = "dtype") -> np.dtype[Any]:
    """The dtype of this name in MXNet; NumPy has none for bfloat16."""
    if name == "bfloat16":
        raise Unhandled(attribute, name)
    return np.dtype(name)
