"""What real MXNet computed for small cases of every operator: `fixtures/graph/operators/`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2] / "fixtures" / "graph"


@dataclass(frozen=True, eq=False)
class Case:
    """One case of an operator.

    `symbol` is the text of a `-symbol.json`, `values` are those of all its variables, labels and
    auxiliary states included; `outputs` are all outputs of the graph, by the version of MXNet.
    """

    operator: str
    name: str
    symbol: str
    values: Mapping[str, np.ndarray]
    outputs: Mapping[str, tuple[np.ndarray, ...]]
    note: str

    def __str__(self) -> str:
        return f"{self.operator}:{self.name}"


def operators() -> list[str]:
    """The operators that have recordings."""
    return sorted(path.stem for path in (ROOT / "operators").glob("*.npz"))


@functools.cache
def cases_of(operator: str) -> tuple[Case, ...]:
    """The cases of one operator."""
    with np.load(ROOT / "operators" / f"{operator}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    for array in arrays.values():
        array.flags.writeable = False
    return tuple(
        Case(
            operator,
            entry["name"],
            json.dumps(entry["symbol"]),
            {name: arrays[key] for name, key in entry["values"].items()},
            {v: tuple(arrays[key] for key in keys) for v, keys in entry["outputs"].items()},
            entry["note"],
        )
        for entry in json.loads(arrays["cases"].item())
    )


def cases() -> Iterator[Case]:
    """Every case of every operator."""
    for operator in operators():
        yield from cases_of(operator)
