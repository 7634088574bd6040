"""Each example runs, as its user would run it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import converter
from tests import borts

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("bort_backbone", "bort_classifier")


def run(
    python: str | Path, script: str, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    command = [str(python), str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(borts.source(NAMES[0]), folder)
    shutil.copy(borts.source(NAMES[1]), folder / "deep")
    return folder


def test_migrate_folder_goes_on_after_a_failure(checkpoints: Path, tmp_path: Path) -> None:
    (checkpoints / "a_page.params").write_text("<html>Access denied, try again later</html>")
    out = tmp_path / "out"
    settings = ["family=bort", "num_attention_heads=4"]
    done = run(sys.executable, "migrate_folder.py", checkpoints, out, *settings)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [
        ["FAILED", "a_page"],
        ["ok", "bort_backbone"],
        ["ok", "deep/bort_classifier"],
    ]
    assert lines[-1] == "2 of 3 migrated"
    assert sorted(p.name for p in out.iterdir()) == ["bort_backbone", "deep"]
    again = run(sys.executable, "migrate_folder.py", checkpoints / "deep", out / "deep")
    assert (again.returncode, again.stdout.split()[2:4]) == (0, ["was", "there"])


def test_migrate_folder_without_checkpoints(tmp_path: Path) -> None:
    done = run(sys.executable, "migrate_folder.py", tmp_path, tmp_path / "out")
    assert done.returncode == 1
    assert "no *.params file" in done.stderr


@pytest.mark.live
@pytest.mark.parametrize("environment", ["mxnet_original", "mxnet_latest"])
@pytest.mark.parametrize("name", ["bort_decoder", "bort_regression", "bort_float16"])
def test_record_golden_in_the_old_environment(
    name: str, environment: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    python = request.getfixturevalue(environment)
    golden = tmp_path / "golden.npz"
    options = ["--num-heads", "4", "--seed", "9", "--length", "7"]
    done = run(python, "record_golden.py", borts.source(name), golden, *options)
    assert done.returncode == 0, done.stderr
    with np.load(golden) as file:
        assert file["input_ids"].shape == (3, 7)
    converter.convert(borts.source(name), tmp_path / "out", family="bort", config=borts.heads(name))
    report = converter.verify(borts.source(name), tmp_path / "out", golden=golden, atol=1e-5)
    assert report.passed
