"""What is written needs PyTorch and safetensors, and nothing else: not us, not NumPy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import converter
from tests.graph.recordings import networks

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
sys.path.insert(0, sys.argv[1])
import model
net = model.load()
assert not net.training
for name, (shape, dtype) in model.Model.inputs.items():
    print(name, shape)
y = net(*(torch.zeros(shape, dtype=dtype) for shape, dtype in model.Model.inputs.values()))
print(len(y) if isinstance(y, tuple) else 1, len(model.Model.outputs))
"""


@pytest.mark.parametrize("name", ["lenet", "ssd", "gluon_lstm", "yolo"])
def test_the_module_is_imported_with_torch_and_safetensors_only(name: str, tmp_path: Path) -> None:
    network = next(one for one in networks() if one.name == name)
    said = [
        f"{n}={','.join(map(str, a.shape))}" for n, a in network.inputs.items() if "label" not in n
    ]
    report = converter.convert(
        network.params, tmp_path / "out", way="graph", inputs=said, verify=False
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKED, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    count = len(report.plan.outputs)
    assert done.stdout.splitlines()[-1] == f"{count} {count}"
    again = converter.verify(network.params, tmp_path / "out")
    assert again.passed, "with what Python made of model.py beside it"
    converter.convert(
        network.params, tmp_path / "out", way="graph", inputs=said, verify=False, force=True
    )
