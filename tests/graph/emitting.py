"""Generated modules for tests: emit, load, feed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from converter.graph.emit import Emitted, emit
from converter.graph.operators import Program, understand
from converter.graph.symbol import Output, parse_symbol
from tests.graph.recordings import Case

PARAMETERS = ("weight", "bias", "gamma", "beta", "mean", "var", "parameters", "avg")


@dataclass(frozen=True)
class Spec:
    """Shape and dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def program_of(case: Case) -> Program:
    """The case's graph."""
    return understand(parse_symbol(case.symbol))


def specs_of(
    program: Program, values: Mapping[str, np.ndarray], outputs: Collection[np.ndarray]
) -> dict[Output, Spec]:
    """What a recording tells of a graph's values: variables and outputs."""
    found = {
        Output(number, 0): Spec(values[name].shape, values[name].dtype)
        for number, name in program.variables().items()
    }
    for head, value in zip(program.graph.heads, outputs, strict=True):
        found[head] = Spec(value.shape, value.dtype)
    return found


def labels(program: Program) -> set[str]:
    """Variables that only training takes."""
    taken, named = set[int](), set[int]()
    for call in program.calls:
        for name, source in zip(call.names, call.inputs, strict=True):
            (named if name in call.operator.labels else taken).add(source.node)
    return {name for number, name in program.variables().items() if number in named - taken}


def inputs_of(program: Program) -> list[str]:
    """The variables that are neither labels nor, by their name, parameters."""
    named = program.variables().values()
    return [n for n in named if n.split("_")[-1] not in PARAMETERS and n not in labels(program)]


def load(emitted: Emitted) -> Any:
    """The module's namespace."""
    namespace: dict[str, Any] = {"__name__": "model"}
    exec(compile(emitted.source, "model.py", "exec", dont_inherit=True), namespace)
    return namespace


def weights(emitted: Emitted, values: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The state dict from the source's values."""
    return {p.key: torch.from_numpy(np.array(_tensor(p, values))) for p in emitted.parameters}


def _tensor(parameter: Any, values: Mapping[str, np.ndarray]) -> np.ndarray:
    if parameter.source is None:
        filled = {"ones": np.ones, "zeros": np.zeros}[parameter.constant]
        return np.asarray(filled(parameter.shape, parameter.dtype))
    flat = values[parameter.source].reshape(-1)[parameter.start : parameter.stop]
    assert flat.size == math.prod(parameter.shape)
    return flat.reshape(parameter.shape)


def module(emitted: Emitted, values: Mapping[str, np.ndarray]) -> nn.Module:
    """The module in eval mode with its weights, loaded strictly."""
    model = load(emitted)["Model"]()
    assert list(model.state_dict()) == [p.key for p in emitted.parameters]
    model.load_state_dict(weights(emitted, values))
    assert isinstance(model, nn.Module)
    return model.eval()


def run(
    emitted: Emitted, values: Mapping[str, np.ndarray], model: nn.Module | None = None
) -> tuple[np.ndarray, ...]:
    """What the module gives."""
    model = module(emitted, values) if model is None else model
    arguments = {
        argument: torch.from_numpy(np.array(values[name]))
        for name, argument in emitted.inputs.items()
    }
    with torch.no_grad():
        found = model(**arguments)
    return tuple(t.numpy() for t in (found if isinstance(found, tuple) else (found,)))


def emitted_of(case: Case, version: str, inputs: Collection[str] | None = None) -> Emitted:
    """The module of a recorded case."""
    program = program_of(case)
    specs = specs_of(program, case.values, case.outputs[version])
    return emit(program, specs, inputs_of(program) if inputs is None else inputs)


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference relative to the largest value; infinite if shape or dtype differ."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return math.inf
    if ours.size == 0:
        return 0.0
    a, b = (value.astype(np.float64) for value in (ours, theirs))
    if not (np.isfinite(a) == np.isfinite(b)).all():
        return math.inf
    odd = ~np.isfinite(b)
    if not np.array_equal(a[odd], b[odd], equal_nan=True):
        return math.inf
    largest = np.abs(b[~odd]).max(initial=0.0)
    apart = np.abs(a[~odd] - b[~odd]).max(initial=0.0)
    return float(apart / largest) if largest else float(apart)


def versions(case: Case) -> Iterator[str]:
    """The versions of MXNet that computed a case."""
    yield from case.outputs
