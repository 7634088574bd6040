"""What real MXNet computed: `fixtures/graph/`, small cases of every operator and small networks."""

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


@dataclass(frozen=True, eq=False)
class Network:
    """One network: its two files, and what MXNet computed with them.

    `inputs` are those of its variables that are in no file, labels where MXNet was given one;
    `outputs` are all, in order; `internals` are outputs of nodes by MXNet's name for them, such
    as `conv0_output`: all nodes', or none.
    """

    name: str
    symbol: Path
    params: Path
    inputs: Mapping[str, np.ndarray]
    outputs: tuple[np.ndarray, ...]
    internals: Mapping[str, np.ndarray]

    def __str__(self) -> str:
        return self.name


def _network(golden: Path, params: Path) -> Network:
    name = golden.name.removesuffix(".golden.npz")
    with np.load(golden) as file:
        arrays = {key: file[key] for key in file.files}

    def of(kind: str) -> dict[str, np.ndarray]:
        marked = f"{kind}:"
        return {k.removeprefix(marked): v for k, v in arrays.items() if k.startswith(marked)}

    outputs = of("output")
    return Network(
        name,
        golden.with_name(f"{name}-symbol.json"),
        params,
        of("input"),
        tuple(outputs[str(number)] for number in range(len(outputs))),
        of("internal"),
    )


@functools.cache
def networks() -> tuple[Network, ...]:
    """The networks, each with parameters of its own."""
    found = sorted((ROOT / "networks").glob("*.golden.npz"))
    return tuple(
        _network(path, path.with_name(path.name.replace(".golden.npz", "-0000.params")))
        for path in found
    )


def layouts() -> list[Network]:
    """One network in every layout of the JSON; they share their parameters."""
    params = ROOT / "layouts" / "layouts-0000.params"
    return [_network(path, params) for path in sorted(params.parent.glob("*.golden.npz"))]
