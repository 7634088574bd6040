"""What a shell offers: commands, options, names of families."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from converter.tables.load import family_names
from tests.faults.making import ROOT, environment


def offered(*words: str) -> set[str]:
    """What bash is told for the last word, as click's script for it asks."""
    done = subprocess.run(
        [sys.executable, "-m", "bort_convert"],
        env=environment(
            _BORT_CONVERT_COMPLETE="bash_complete",
            COMP_WORDS=" ".join(["bort-convert", *words]),
            COMP_CWORD=str(len(words)),
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


@pytest.mark.parametrize(
    "words", [["--family", "bert"], ["a.params", "out", "--family", "bert"], ["families", "bert"]]
)
def test_families_are_offered(words: list[str]) -> None:
    assert offered(*words) == {name for name in family_names() if name.startswith("bert")}


def test_commands_and_options_are_offered() -> None:
    assert "verify" in offered("ver")
    assert {"--dtype", "--dry-run"} <= offered("--d")
    assert offered("verify", "--gold") == {"--golden"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_the_shell_is_printed(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bort_convert"],
        env={
            **environment(),
            "_BORT_CONVERT_COMPLETE": f"{shell}_source",
            "PATH": os.environ["PATH"],
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "_BORT_CONVERT_COMPLETE" in done.stdout
