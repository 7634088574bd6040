"""The recorded networks, converted: what the command is told, and recordings as users have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.planning.file import plan_file
from converter.planning.graph import GraphPlan
from tests.graph.making import Making
from tests.graph.recordings import Network


def said(network: Network) -> list[str]:
    """`--input` for every input that the network's `forward` takes."""
    labels = ("label",)
    return [
        f"{name}={','.join(map(str, array.shape))}"
        + ("" if array.dtype == np.float32 else f":{array.dtype}")
        for name, array in network.inputs.items()
        if name.split("_")[-1] not in labels or network.name == "arcface"
    ]


def plan_of(network: Network, **options: Any) -> GraphPlan:
    options = {"way": "graph", "symbol": network.symbol, "inputs": said(network), **options}
    made = plan_file(network.params, **options)
    assert isinstance(made, GraphPlan)
    return made


def recording(network: Network, path: Path) -> Path:
    """What `converter/recording/record_golden.py` would have written there."""
    arrays: dict[str, Any] = {f"input:{name}": array for name, array in network.inputs.items()}
    arrays |= {f"output:{n}": array for n, array in enumerate(network.outputs)}
    np.savez(path, about=np.array("{}"), **arrays)
    return path


def checkpoint(folder: Path, made: Making, arrays: dict[str, np.ndarray], *heads: Any) -> Path:
    """A graph in the making and its parameters, as `save_checkpoint` names them: the parameters."""
    from converter.params import save_params

    (folder / "net-symbol.json").write_text(made.text(*heads))
    save_params(folder / "net-0000.params", arrays)
    return folder / "net-0000.params"


def normal(shapes: dict[str, Sequence[int]], seed: int = 0) -> dict[str, np.ndarray]:
    """Seeded parameters; variances and gammas are positive."""
    random = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes.items():
        values = random.standard_normal(shape).astype(np.float32)
        positive = name.endswith(("gamma", "moving_var"))
        found[name] = np.exp(values / 3) if positive else values / 2
    return found
