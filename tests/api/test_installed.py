"""What is installed without the extra `proof` does all but the proof, and says how to get it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.borts import source

# As if none of what the extra installs were there
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "scipy", "regex", "threadpoolctl"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
sys.argv[0] = "bort-convert"
from converter.cli.main import main
main()
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def convert(name: str, out: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    told = ["--family", "bort", "--config", "num_attention_heads=4"]
    return run("--src", source(name), "--dst", out, *told, *more)


def test_all_but_the_proof_runs_without_it(tmp_path: Path) -> None:
    assert run("inspect", source("bort_decoder")).returncode == 0
    assert run("families", "bort").returncode == 0
    assert run("export", source("bort_decoder"), tmp_path / "all.safetensors").returncode == 0
    done = convert("bort_decoder", tmp_path / "out", "--no-verify")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "model.safetensors").is_file()


@pytest.mark.parametrize("command", ["convert", "verify", "tokenizer"])
def test_a_proof_that_is_not_installed_stops_before_a_weight_is_read(
    command: str, tmp_path: Path
) -> None:
    if command == "convert":
        done = convert("bort_decoder", tmp_path / "out")
    elif command == "verify":
        assert convert("bort_decoder", tmp_path / "unproven", "--no-verify").returncode == 0
        done = run("verify", "--src", source("bort_decoder"), "--dst", tmp_path / "unproven")
    else:
        done = run("tokenizer", "--dst", tmp_path / "out", "--vocab", tmp_path / "x.vocab")
    assert done.returncode == 1
    assert "torch, transformers, scipy, regex, threadpoolctl" in done.stderr
    assert "pip install 'bort-convert[proof]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
