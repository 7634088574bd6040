"""What is written needs PyTorch and safetensors, and nothing else: not us, not NumPy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import converter
from tests.graph.converting import plan_of, said
from tests.graph.emitting import load
from tests.graph.recordings import Network, networks

NAMES = ("lenet", "ssd", "gluon_lstm", "yolo")
# Every import that is not of Python's own, torch or safetensors, or of what these import themselves
BLOCKED = """
import sys
import torch, safetensors.torch
before = {name.partition(".")[0] for name in sys.modules}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in before | {"model"} | sys.stdlib_module_names:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
for name in [name for name in sys.modules if name.partition(".")[0] in ("numpy", "converter")]:
    sys.modules[name] = None
for directory in sys.argv[1:]:
    sys.path.insert(0, directory)
    import model
    net = model.load()
    if net.training:
        sys.exit("is in training mode")
    given = [torch.ones(shape, dtype=dtype) for shape, dtype in model.Model.inputs.values()]
    with torch.no_grad():
        y = net(*given)
    y = y if isinstance(y, tuple) else (y,)
    print(len(y), len(model.Model.outputs))
    torch.save([*y], sys.path.pop(0) + ".pt")
    del sys.modules["model"]
"""


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Network]:
    """A directory of each network."""
    folder = tmp_path_factory.mktemp("alone")
    found = {folder / one.name: one for one in networks() if one.name in NAMES}
    for out, network in found.items():
        convert(network, out)
    return found


def convert(network: Network, out: Path, **options: Any) -> None:
    converter.convert(
        network.params, out, way="graph", inputs=said(network), verify=False, **options
    )


@pytest.mark.parametrize("flags", [(), ("-OO",)], ids=["plain", "optimized"])
def test_the_module_is_imported_with_torch_and_safetensors_only(
    flags: Sequence[str], converted: dict[Path, Network], tmp_path: Path
) -> None:
    """One child loads all networks: to import torch takes it longer than all the rest."""
    done = subprocess.run(
        [sys.executable, "-I", *flags, "-W", "error", "-c", BLOCKED, *map(str, converted)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for (out, network), line in zip(converted.items(), done.stdout.splitlines(), strict=True):
        plan = plan_of(network)
        assert line == f"{len(plan.outputs)} {len(plan.outputs)}"
        model = load(plan.emitted)["Model"]().eval()
        model.load_state_dict(load_file(out / "model.safetensors"))
        with torch.no_grad():
            here = model(*(torch.ones(s, dtype=d) for s, d in model.inputs.values()))
        there = torch.load(f"{out}.pt")
        torch.testing.assert_close(there, [*here] if isinstance(here, tuple) else [here])


def test_what_python_leaves_beside_a_module_is_in_nobodys_way(
    converted: dict[Path, Network],
) -> None:
    for out, network in converted.items():
        (out / "__pycache__").mkdir(exist_ok=True)
        (out / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"")
        assert converter.verify(network.params, out).passed
        convert(network, out, force=True)
