"""Ctrl-C at any time ends in one line and 130, while modules are imported too; `python -OO`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.making import arguments, environment, names_in

# The command, which gets a SIGINT when it begins to import a module
AT = """
import signal, sys

waited_for = {{sys.argv.pop(1)}}

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name in waited_for:
            waited_for.clear()
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv[0] = "bort-convert"
sys.path.insert(0, {root!r})
import bort_convert
bort_convert.main()
"""
ROOT = Path(__file__).parents[2]
# Of the start, of a C extension that makes an ImportError of it, of the proof
MODULES = ("converter.cli.main", "ml_dtypes", "torch", "transformers.models.bert.modeling_bert")


@pytest.mark.parametrize("module", MODULES)
def test_one_line_and_130_while_modules_are_imported(module: str, tmp_path: Path) -> None:
    told = arguments("bort_backbone", tmp_path / "out", "--jobs", "1")
    done = subprocess.run(
        [sys.executable, "-c", AT.format(root=str(ROOT)), module, *told],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines() == ["", "interrupted: nothing is half written"]
    assert (done.returncode, done.stdout) == (130, "")
    assert names_in(tmp_path) == []


# The command as `python -m`, interrupted where Python runs a text, as while a dataclass is made
WITHIN_TEXT = """
import sys
import converter.api
from converter.cli.main import main

def interrupted(*arguments, **options):
    exec("raise KeyboardInterrupt")

converter.api.plan_of = interrupted
main()
"""


def test_130_where_python_would_end_by_the_signal(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WITHIN_TEXT)
    done = subprocess.run(
        [sys.executable, "-m", "mine", *arguments("bort_backbone", tmp_path / "out")],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines() == ["", "interrupted: nothing is half written"]
    assert (done.returncode, done.stdout) == (130, "")


def optimised(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-OO", "-m", "bort_convert", *words],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_docstrings_all_but_the_proof_runs(tmp_path: Path) -> None:
    told = arguments("bort_decoder", tmp_path / "out")
    refused = optimised(*told)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "`python -OO` has none" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert names_in(tmp_path) == []
    assert optimised(*told, "--no-verify").returncode == 0
    assert "num_attention_heads" in optimised("--help").stdout
