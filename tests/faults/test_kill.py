"""`kill -9` at any moment: the destination is absent, whole and old, or whole and new."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from tests.borts import source
from tests.faults.making import (
    arguments,
    bort_arrays,
    command,
    contents,
    environment,
    names_in,
    run,
    write_params,
)

pytestmark = pytest.mark.exhaustive

# For each line [step, seconds, folder, exchange, arguments] on stdin: the command in a fork that
# kills itself before its step-th call of the system on something in the folder, or is killed
# after some seconds if they are not null; then its exit code.
DRIVER = """
import json, os, signal, sys, time
import converter.files.staging
from converter.cli.main import main

def kill_at(step, folder):
    def look(event, args):
        nonlocal step
        path = args[0] if args else None
        path = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
        inside = path.startswith(folder) or path in ("lock", "new", "old")  # by its descriptor
        if inside or event == "ctypes.dlsym":
            step -= 1
            if step == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)

for line in sys.stdin:
    step, seconds, folder, exchange, arguments = json.loads(line)
    child = os.fork()
    if child == 0:
        if not exchange:
            converter.files.staging._exchange = lambda *_: False
        kill_at(step, folder)
        try:
            main(arguments)
        except SystemExit as end:
            os._exit(end.code or 0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
NEVER = 1_000_000  # steps: more than any conversion has

MOMENTS = 200  # random ones


class Convert(Protocol):
    """The exit code of a run that is killed at a step, or after some seconds."""

    def __call__(
        self, step: int, fixture: str, dst: Path, exchange: bool, seconds: float | None = None
    ) -> int: ...


@pytest.fixture(scope="module")
def convert() -> Iterator[Convert]:
    """One process that imports once and forks for every run."""
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:

        def converted(
            step: int, fixture: str, dst: Path, exchange: bool, seconds: float | None = None
        ) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            args = arguments(fixture, dst, "--no-verify", "--quiet", "--force")
            line = json.dumps([step, seconds, str(dst.parent), exchange, args])
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield converted


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, convert: Convert) -> dict[str, Path]:
    """A whole older and a whole newer conversion."""
    folder = tmp_path_factory.mktemp("whole")
    for fixture in ("bort_decoder", "bort_backbone"):
        assert convert(NEVER, fixture, folder / fixture, True) == 0
    return {"older": folder / "bort_decoder", "newer": folder / "bort_backbone"}


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("older", [False, True], ids=["no destination", "older destination"])
def test_killed_at_every_step(
    older: bool, exchange: bool, whole: dict[str, Path], convert: Convert, tmp_path: Path
) -> None:
    allowed = [contents(whole["newer"])] + ([contents(whole["older"])] if older else [])
    for step in count(1):
        folder = tmp_path / str(step)
        folder.mkdir()
        destination = folder / "out"
        if older:
            shutil.copytree(whole["older"], destination)
        code = convert(step, "bort_backbone", destination, exchange)
        if destination.exists():
            assert contents(destination) in allowed, step
        if code == 0:
            break
        assert code == -9
        if older and exchange:
            assert destination.exists(), step
        assert convert(NEVER, "bort_backbone", destination, exchange) == 0
        assert contents(destination) == contents(whole["newer"])
        assert names_in(folder) == ["out"]
    assert step > 15  # the steps were met, not missed


def test_killed_at_200_random_moments(
    whole: dict[str, Path], convert: Convert, tmp_path: Path
) -> None:
    """By turns with and without an older destination, exchanged in one step or by two renames."""
    newer, older = contents(whole["newer"]), contents(whole["older"])
    source_before = source("bort_backbone").read_bytes()
    begin = time.monotonic()
    assert convert(NEVER, "bort_backbone", tmp_path / "timed", True) == 0
    lasts = time.monotonic() - begin
    for seed in range(MOMENTS):
        destination = tmp_path / str(seed) / "out"
        destination.parent.mkdir()
        exchange = seed % 4 < 2
        if seed % 2:
            shutil.copytree(whole["older"], destination)
        seconds = random.Random(seed).uniform(0, 1.2 * lasts)
        code = convert(NEVER, "bort_backbone", destination, exchange, seconds)
        assert code in (0, -9)
        if destination.exists():
            assert contents(destination) in ([newer] if code == 0 else [newer, older]), seed
        else:
            assert code == -9
            assert not (seed % 2 and exchange), seed
        assert source("bort_backbone").read_bytes() == source_before
        assert convert(NEVER, "bort_backbone", destination, exchange) == 0
        assert (contents(destination), names_in(destination.parent)) == (newer, ["out"]), seed


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 MB, so that a kill meets the writing."""
    path = tmp_path_factory.mktemp("large") / "large.params"
    return write_params(path, bort_arrays(vocabulary=1_000_000))


@pytest.fixture(scope="module")
def large_whole(large: Path) -> dict[str, bytes]:
    return converted_whole(large, large.with_name("whole"))


def converted_whole(src: Path, dst: Path) -> dict[str, bytes]:
    args: list[str | Path] = ["--src", src, "--dst", dst, "--no-verify"]
    result = run(*args, "--family", "bort", "--config", "num_attention_heads=4", "--force")
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(dst.parent.glob(".*"))
    return contents(dst)


@pytest.mark.parametrize("seed", range(10))
def test_killed_at_a_random_moment(
    seed: int, large: Path, large_whole: dict[str, bytes], whole: dict[str, Path], tmp_path: Path
) -> None:
    """Odd seeds have an older destination; the last two are killed in a run that also proves."""
    destination = tmp_path / "out"
    proves = seed >= 8
    if seed % 2:
        shutil.copytree(whole["older"], destination)
    args = command(
        "--src",
        large,
        "--dst",
        destination,
        "--family",
        "bort",
        "--config",
        "num_attention_heads=4",
    )
    args += ["--quiet", "--force", *([] if proves else ["--no-verify"])]
    with subprocess.Popen(args, env=environment(), stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (tmp_path / ".out.bort-convert").exists():
            pass
        time.sleep(random.Random(seed).uniform(0, 4 if proves else 0.1))
        process.kill()
    if destination.exists():
        found = contents(destination)
        if proves and found["config.json"] == large_whole["config.json"]:
            found.update({name: large_whole[name] for name in ("conversion.json", "README.md")})
        assert found in (large_whole, contents(whole["older"]))
    else:
        assert not seed % 2 or sys.platform not in ("linux", "darwin")
    assert converted_whole(large, destination) == large_whole
