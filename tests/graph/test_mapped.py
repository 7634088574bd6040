"""The weights of a large module stay in their file while it is proven, and nothing else changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from converter.graph.emit.text import LOAD
from converter.planning.graph import GraphPlan
from converter.planning.options import Options
from converter.proof import mapped
from converter.proof.graph.inputs import sizes_to_try, values_of
from converter.proof.graph.module import loaded
from converter.proof.graph.parity import check_graph_parity, run_module
from converter.writing.model import write_model
from tests.graph.converting import plan_of
from tests.graph.recordings import Network, networks
from tests.memory import proof_peaks
from tools.large_model import GRAPH, Model, write

NETWORKS = [network for network in networks() if network.params.exists()]


@pytest.fixture
def let_go(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each weight that was let go of, in how many mapped files it may be."""
    counts: list[int] = []
    original: Callable[[Any, Any], None] = mapped._let_go

    def counted(mappings: Any, weight: Any) -> None:
        counts.append(len(mappings))
        original(mappings, weight)

    monkeypatch.setattr(mapped, "_let_go", counted)
    return counts


def written(plan: GraphPlan, directory: Path) -> Path:
    directory.mkdir()
    write_model(plan, directory)
    return directory


def outputs(plan: GraphPlan, directory: Path) -> Sequence[np.ndarray]:
    """What the module gives for the first inputs of the proof."""
    values = values_of(plan, next(iter(sizes_to_try(plan))))
    with torch.inference_mode():
        return run_module(plan, directory, values)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_mapped_module_gives_the_same_bits(
    network: Network, tmp_path: Path, let_go: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(network)
    directory = written(plan, tmp_path / "out")
    plain = outputs(plan, directory)
    assert not let_go, "a small one is loaded whole"
    monkeypatch.setattr(mapped, "SMALL", 0)
    streamed = outputs(plan, directory)
    assert let_go or not plan.steps
    assert all(let_go) or sys.platform != "linux"
    for one, other in zip(plain, streamed, strict=True):
        np.testing.assert_array_equal(one, other)


LENET = next(network for network in NETWORKS if network.name == "lenet")


def test_noise_in_the_file_of_a_mapped_module_fails(
    tmp_path: Path, let_go: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "SMALL", 0)
    plan = plan_of(LENET)
    directory = written(plan, tmp_path / "out")
    right = load_file(directory / "model.safetensors")
    for name, held in right.items():
        moved = held + np.float32(0.01 * float(np.abs(held).max()))
        _rewrite(directory, {**right, name: moved})
        assert not check_graph_parity(plan, directory, Options.atol).passed, name
    _rewrite(directory, right)
    assert check_graph_parity(plan, directory, Options.atol).passed
    assert let_go


def test_a_missing_tensor_of_a_mapped_module_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "SMALL", 0)
    plan = plan_of(LENET)
    directory = written(plan, tmp_path / "out")
    name, *others = right = load_file(directory / "model.safetensors")
    _rewrite(directory, {other: right[other] for other in others})
    parity = check_graph_parity(plan, directory, Options.atol)
    assert not parity.passed
    assert all(f'Missing key(s) in state_dict: "{name}"' in one for one in parity.problems)


def test_half_precision_is_copied_by_load(
    tmp_path: Path, let_go: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its module is of float32."""
    plan = plan_of(LENET, dtype="float16")
    directory = written(plan, tmp_path / "out")
    plain = outputs(plan, directory)
    monkeypatch.setattr(mapped, "SMALL", 0)
    for one, other in zip(plain, outputs(plan, directory), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not let_go


OF_TWO_DTYPES = """
from pathlib import Path
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(2, 2)
        self.register_buffer("scale", torch.zeros(2, dtype=torch.float64))
"""


def test_a_buffer_of_float64_is_copied_by_load(
    tmp_path: Path, let_go: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is streamed is computed in float32, which would not be what `load` gives."""
    monkeypatch.setattr(mapped, "SMALL", 0)
    module = ModuleType("model")
    module.__dict__["__file__"] = str(tmp_path / "model.py")
    exec(OF_TWO_DTYPES + LOAD, module.__dict__)
    weights: dict[str, np.ndarray] = {
        "dense.weight": np.ones((2, 2), np.float32),
        "dense.bias": np.ones(2, np.float32),
        "scale": np.full(2, 1 + 1e-12),
    }
    save_file(weights, tmp_path / "model.safetensors")
    with torch.inference_mode(), loaded(module, tmp_path) as model:
        model.dense(torch.ones(1, 2))
        assert model.scale.dtype == torch.float64
        assert model.scale[0] > 1
    assert not let_go


def _rewrite(directory: Path, weights: dict[str, np.ndarray]) -> None:
    """Other weights in a written directory; a file that is still mapped stays as it is."""
    file = directory / "model.safetensors"
    file.unlink()
    save_file(weights, file, {"format": "pt"})


GRAPH_PLAN = """
from converter.planning.file import plan_file
from converter.proof import mapped

mapped.LARGE = 2**20

def plan_of(folder):
    return plan_file(folder / "net-0000.params", inputs=["data=2,512"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system takes the memory back")
def test_memory_does_not_grow_with_the_layers(tmp_path: Path) -> None:
    """Of 2 and of 84 MB; and it does when `load` copies all."""
    folders = [tmp_path / "few", tmp_path / "many"]
    for folder, layers in zip(folders, (2, 80), strict=True):
        write(Model(GRAPH, layers, 512, 0, 0), folder / "net-0000.params")
    sizes = [(folder / "net-0000.params").stat().st_size for folder in folders]
    more = sizes[1] - sizes[0]
    assert more > 80_000_000
    few, many, loaded = proof_peaks(GRAPH_PLAN, *folders)
    assert loaded - few > more * 3 / 4
    assert many - few < more / 4
