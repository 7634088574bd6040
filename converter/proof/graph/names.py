"""Names of a graph: the stored tensors must be those of the written module, as sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from converter.planning.base import MODULE_FILE
from converter.planning.graph import GraphPlan
from converter.proof.graph.module import load_module, text_problems
from converter.proof.names import written_shapes


@dataclass(frozen=True)
class ModuleNames:
    """`tensors` names of the module in `module` were compared; `problems` says what differs.

    That its text is what the graph becomes was compared first; else it was not run.
    """

    passed: bool
    module: str
    tensors: int
    problems: tuple[str, ...]


def check_module_names(plan: GraphPlan, directory: Path) -> ModuleNames:
    """Build the written module on the meta device, and compare its state dict with the weights."""
    import torch

    if problems := tuple(text_problems(plan, directory)):
        return ModuleNames(False, MODULE_FILE, 0, problems)
    with torch.device("meta"):
        state = load_module(plan, directory).Model().state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
    try:
        problems = tuple(_differences(expected, written_shapes(directory)))
    except (OSError, ValueError, SafetensorError) as error:
        problems = (f"the weights cannot be read: {error}",)
    return ModuleNames(not problems, MODULE_FILE, len(expected), problems)


def _differences(
    expected: Mapping[str, tuple[int, ...]], written: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    for name, shape in expected.items():
        if name not in written:
            yield f"missing: {name}"
        elif written[name] != shape:
            yield f"wrong shape: {name} is {written[name]}, the module has {shape}"
    yield from (f"unexpected: {name}" for name in sorted(written.keys() - expected.keys()))
