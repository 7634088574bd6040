"""An export that is killed, interrupted or without room leaves its destination as it was."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import converter
from tests.borts import source
from tests.faults.making import command, environment, names_in, run
from tests.faults.mounts import on_tmpfs, permitted
from tests.faults.test_kill import DRIVER, NEVER
from tests.faults.test_no_room import limited

pytestmark = pytest.mark.exhaustive

SUFFIXES = ["safetensors", "npz"]
OLDER = b"older"


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_killed_at_every_step(suffix: str, older: bool, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:

        def exported(step: int, dst: Path) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            args = ["export", str(source("bort_backbone")), str(dst), "--quiet", "--force"]
            process.stdin.write(json.dumps([step, None, str(dst.parent), True, args]) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        assert exported(NEVER, tmp_path / f"whole.{suffix}") == 0
        newer = (tmp_path / f"whole.{suffix}").read_bytes()
        for step in count(1):
            folder = tmp_path / str(step)
            folder.mkdir()
            destination = folder / f"out.{suffix}"
            if older:
                destination.write_bytes(OLDER)
            code = exported(step, destination)
            assert destination.exists() or not older, step
            if destination.exists():
                assert destination.read_bytes() in [newer, *([OLDER] if older else [])], step
            if code == 0:
                break
            assert code == -9
            assert exported(NEVER, destination) == 0
            assert destination.read_bytes() == newer
            assert names_in(folder) == [destination.name]
        assert step > 10  # the steps were met, not missed


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 MB, so that a signal meets the writing or the proof."""
    path = tmp_path_factory.mktemp("large") / "large.params"
    converter.save_params(path, {"a": np.arange(8_000_000)})
    return path


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_signal_at_a_random_moment(
    suffix: str, number: signal.Signals, large: Path, tmp_path: Path
) -> None:
    destination = tmp_path / f"out.{suffix}"
    destination.write_bytes(OLDER)
    args = command("export", large, destination, "--quiet", "--force")
    with subprocess.Popen(
        args, env=environment(), stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        while process.poll() is None and not list(tmp_path.glob(".*/new/file")):
            pass
        time.sleep(random.Random(f"{number}{suffix}").uniform(0, 0.1))
        process.send_signal(number)
        _, errors = process.communicate()
    assert "Traceback" not in errors
    left = destination.read_bytes()
    if process.returncode and number != signal.SIGKILL:
        assert process.returncode in (128 + number, -number)
        assert names_in(tmp_path) == [destination.name]
    assert run("export", large, destination, "--quiet", "--force").returncode == 0
    assert destination.stat().st_size > 64_000_000
    # A signal between the rename and the end of the process finds the new one there, whole.
    assert left in (OLDER, destination.read_bytes())
    assert names_in(tmp_path) == [destination.name]


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("limit", ["disk", "limit on the size of files"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_room(suffix: str, limit: str, older: bool, tmp_path: Path) -> None:
    folder, kept = tmp_path / "folder", tmp_path / "left"
    (tmp_path / "ask").mkdir()
    tmpfs = limit == "disk" and permitted(tmp_path / "ask")
    place = kept if tmpfs else folder
    for directory in (folder, kept):
        directory.mkdir()
    name = f"out.{suffix}"
    if older:
        (place / name).write_bytes(OLDER)
    args = command("export", source("bort_backbone"), folder / name, "--force")
    args = on_tmpfs(40_000, folder, kept, args) if tmpfs else limited(40_000, args)
    result = subprocess.run(
        args, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith("Error: ")
    assert "bytes are needed" in result.stderr
    assert "Traceback" not in result.stderr
    assert names_in(place) == ([name] if older else [])
    if older:
        assert (place / name).read_bytes() == OLDER
