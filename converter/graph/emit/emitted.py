"""What comes of a graph: the text of `model.py`, and what its state dict holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.graph.symbol import Output


@dataclass(frozen=True)
class Parameter:
    """One tensor of the module's state dict.

    It holds the values [start, stop) of the variable `source`, read row by row (all of them but
    for an RNN's packed vector), reshaped to `shape`; where `source` is None, every value is
    `constant`, "ones" or "zeros". Two keys may hold one tensor (weights that the graph shares).
    """

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    source: str | None
    start: int = 0
    stop: int = 0
    constant: str = ""


@dataclass(frozen=True)
class Emitted:
    """A module as text.

    `source`: the text of `model.py`. `parameters`: the state dict of its `Model()`, in order.
    `inputs`: the arguments of `forward` in order, as the graph's variable → the argument's name.
    `unused`: the other variables that no tensor of the module holds, and why.
    `lines`: for each assignment statement of `Model.forward` in order, the graph's outputs that
    its targets hold, those named `_` left out; a statement with several outputs and one name as
    its target binds that name to a sequence, its i-th item the i-th output. An output that stands
    in no line is another's by another name (identity), is not needed, or is part of a parameter.
    """

    source: str
    parameters: tuple[Parameter, ...]
    inputs: Mapping[str, str]
    unused: Mapping[str, str]
    lines: tuple[tuple[Output, ...], ...]
