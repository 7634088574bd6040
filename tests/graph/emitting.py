"""Generated modules for tests: emit, load, feed."""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn

from converter.graph.emit import Emitted, emit
from converter.graph.operators import Program, understand
from converter.graph.shapes import Spec, infer
from converter.graph.symbol import Output, parse_symbol, read_symbol
from converter.graph.variables import inputs_of as inputs_of_file
from converter.params import load_params
from tests.graph.recordings import Case, Network

PARAMETERS = ("weight", "bias", "gamma", "beta", "mean", "var", "parameters", "avg")


def program_of(case: Case) -> Program:
    """The case's graph."""
    return _program(case.symbol)


@functools.lru_cache(maxsize=4)  # a test asks for the same one several times in turn
def _program(symbol: str) -> Program:
    return understand(parse_symbol(symbol))


def specs_of(program: Program, values: Mapping[str, np.ndarray]) -> dict[Output, Spec]:
    """Shape and dtype of every value, from those of the variables."""
    return infer(program, {name: Spec(v.shape, v.dtype) for name, v in values.items()})


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
    specs = specs_of(program, case.values)
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


def emitted_network(network: Network) -> tuple[Emitted, Program, dict[str, np.ndarray]]:
    """The module of a recorded network, its graph, and the values of all its variables."""
    program = understand(read_symbol(network.symbol))
    loaded = load_params(network.params)
    values = {name.removeprefix("arg:").removeprefix("aux:"): v for name, v in loaded.items()}
    values |= network.inputs
    named = inputs_of_file(program, loaded)
    known = {n: Spec(v.shape, v.dtype) for n, v in values.items() if n not in named.labels}
    return emit(program, infer(program, known), named.inputs), program, values


def nodes(
    emitted: Emitted, values: Mapping[str, np.ndarray]
) -> tuple[dict[Output, np.ndarray], tuple[np.ndarray, ...]]:
    """What each statement of `forward` computes, by the graph's output, and what it returns."""
    tree = ast.parse(emitted.source)
    found: dict[Output, np.ndarray] = {}
    (model,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Model")
    (forward,) = (n for n in model.body if isinstance(n, ast.FunctionDef) and n.name == "forward")
    body: list[ast.stmt] = []
    for statement in forward.body:
        body.append(statement)
        if isinstance(statement, ast.Assign):
            (target,) = statement.targets
            line = emitted.lines[sum(isinstance(s, ast.Assign) for s in body) - 1]
            names = ast.unparse(target).replace("_, ", "").replace(", _", "")
            text = f"_watch({names}, several={len(line) > 1})"
            body += ast.parse(text).body if line else []
    forward.body = body
    lines = iter([line for line in emitted.lines if line])

    def watch(*values: Any, several: bool) -> None:
        flat = [*_flat(values)]
        line = next(lines)
        assert several == (len(line) > 1)
        for output, value in zip(line, flat, strict=True):
            found[output] = value.numpy()

    namespace: dict[str, Any] = {"__name__": "model", "_watch": watch, "_": ()}
    exec(compile(ast.fix_missing_locations(tree), "model.py", "exec"), namespace)
    model_ = namespace["Model"]().eval()
    model_.load_state_dict(weights(emitted, values))
    return found, run(emitted, values, model_)


def _flat(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        else:
            yield from _flat(value)


# Names of nodes, some of which would do harm in a source
HOSTILE = [
    *("", "class", "self", "x", "torch", "F", "nn", "__init__", "__class__", "print", "a/b-c.0"),
    *(
        "1",
        "0conv",
        "_",
        "a\nimport os",
        '"""',
        "x = 1",
        "naïve",
        "ｅｖａｌ",
        "сonv",
        "卷积",
        "l",
        "O",
    ),
    *("load", "Model", "forward", "train", "weight", "inputs", "# type: ignore", "\x00", "\u2028"),
    *("import os; os.system('true')", "_" * 100, "n" * 1000, "pool", "take", "match", "norm"),
    *("{0}", "{data}", "\ue0000.0\ue001", "\ue0020\ue001", "None", "tensor", "sum", "int", "super"),
]
NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))
