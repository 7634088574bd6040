"""`kill -9` at random moments of every command: what stood there stands, or what is new, whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.borts import source as backbone
from tests.faults.making import (
    arguments,
    bort_arrays,
    contents,
    environment,
    names_in,
    write_params,
)
from tests.faults.test_kill import DRIVER, NEVER
from tests.tokenizer.bort import CHOICE, OPTIONS
from tests.tokenizer.conftest import source  # noqa: F401  (a fixture)

pytestmark = pytest.mark.exhaustive

KILLS = int(os.environ.get("KILLS", "15"))  # of each command; KILLS=250 makes a thousand in all
COMMANDS = ["convert", "export", "tokenizer", "verify"]
# What the fork would import anew each time
PRELOADED = "import converter.proof.tokens\nfrom transformers import AutoTokenizer, BertForMaskedLM"
Content = dict[str, bytes]


class Killer:
    """A process that has imported all and forks for every run."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder

    def __call__(self, args: list[str], seconds: float | None = None) -> int:
        """The exit code of the command, killed after so many seconds, or not at all."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps([NEVER, seconds, str(self._folder), True, args])
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Killer]:
    with subprocess.Popen(
        [sys.executable, "-c", f"{PRELOADED}\n{DRIVER}"],
        env=environment() | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            killer = Killer(process, tmp_path)
            first = ["export", str(backbone("bort_backbone")), str(tmp_path / "first.npz")]
            assert killer([*first, "--quiet"]) == 0  # all is imported, and no run waits for that
            yield killer
        finally:
            process.kill()


def command_of(name: str, source: Path, out: Path) -> list[str]:  # noqa: F811
    """The command line that makes `out`, or verifies it."""
    vocabulary = [f"--{option}={path}" for option, path in OPTIONS.items()]
    return {
        "convert": [*arguments("bort_decoder", out), "--force", "--quiet"],
        "export": ["export", str(source), str(out), "--force", "--quiet"],
        "tokenizer": ["tokenizer", "--dst", str(out), *vocabulary, "--quiet"],
        "verify": ["verify", "--src", str(source), "--dst", str(out), "--quiet"],
    }[name]


def state(out: Path) -> Content:
    return contents(out) if out.is_dir() else {out.name: out.read_bytes()}


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_random_moments(
    name: str,
    source: Path,  # noqa: F811
    run: Killer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = tmp_path / "before"
    args = ["--src", str(source), "--dst", str(before), *CHOICE, "--quiet"]
    if name == "export":
        before = tmp_path / "before.safetensors"
        before.write_bytes(b"older")
        source = write_params(tmp_path / "large.params", bort_arrays(vocabulary=250_000))
    else:
        assert run(args) == 0

    def copied(number: int) -> Path:
        folder = tmp_path / str(number)
        folder.mkdir()
        out = folder / f"out{before.suffix}"
        (shutil.copytree if before.is_dir() else shutil.copy)(before, out)
        return out

    whole = copied(KILLS)
    older = state(whole)
    begin = time.monotonic()
    assert run(command_of(name, source, whole)) == 0
    lasts = time.monotonic() - begin
    newer = state(whole)
    assert (newer == older) == (name == "verify")
    killed = replaced = 0
    for seed in range(KILLS):
        out = copied(seed)
        seconds = random.Random(f"{name}{seed}").uniform(0, 1.1 * lasts)
        code = run(command_of(name, source, out), seconds)
        assert code in (0, -9)
        found = state(out)
        assert found in ([newer] if code == 0 else [older, newer]), seed
        killed, replaced = killed + (code == -9), replaced + (found == newer)
        assert run(command_of(name, source, out)) == 0
        assert (state(out), names_in(out.parent)) == (newer, [out.name]), seed
        shutil.rmtree(out.parent)
    with capsys.disabled():
        print(f"\n{name}: {KILLS} runs, {killed} killed, {replaced} had replaced what was there")
    assert killed, "no run was met"
