"""docs/graph.md: its commands and its Python run, in order, on the network that it names."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from converter.cli.main import main
from converter.proof.graph.parity import NODE
from tests.graph.recordings import networks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "graph.md").read_text("utf-8")
BLOCKS = re.findall(r"```(console|python)\n(.*?)```", PAGE, re.DOTALL)
# The default backend compiles C++ for a minute; that the graph is caught whole is what we hold
PRELUDE = """
import functools, torch
torch.compile = functools.partial(torch.compile, backend="eager", fullgraph=True)
"""
AFTER = """
assert torch.equal(compiled(x), embedding)
assert torch.equal(exported.module()(x), embedding)
"""


def test_the_page_runs(tmp_path: Path) -> None:
    network = next(one for one in networks() if one.name == "arcface")
    for file in (network.symbol, network.params):
        shutil.copy(file, tmp_path)
    script, commands = PRELUDE, 0
    for kind, text in BLOCKS:
        if kind == "python":
            script += "" if "onnx" in text else text
            continue
        for line in text.splitlines():
            _, program, *arguments = line.split()
            assert program == "bort-convert"
            paths = [
                str(tmp_path / a) if (tmp_path / a).exists() or a == "out/" else a
                for a in arguments
            ]
            done = CliRunner().invoke(main, paths)
            assert done.exit_code == 0, done.output
            commands += 1
    assert commands == 3
    run = subprocess.run(
        [sys.executable, "-c", script + AFTER],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_its_figures_are_those_of_the_program() -> None:
    assert "1e-5 of the node's largest value" in PAGE
    assert NODE == 1e-5
