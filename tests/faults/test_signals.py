"""Two conversions at once, and signals in the middle of one: real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.making import arguments, environment, names_in, run

OLDER = '{"tool": {"name": "bort-convert"}}'
# The command, stopping after the weights are written until a line comes on stdin.
STOPPING = """
import sys
from converter.cli.main import main
convert = sys.modules["converter.api"]
write = convert.write_model
def stop(*args):
    found = write(*args)
    print("written", flush=True)
    sys.stdin.readline()
    return found
convert.write_model = stop
main()
"""


@contextmanager
def stopped(destination: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A conversion in a process of its own, after its weights and before its commit."""
    args = arguments("bort_backbone", destination, "--no-verify", "--quiet", *options)
    with subprocess.Popen(
        [sys.executable, "-c", STOPPING, *args],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        yield process


def test_two_processes_at_once(tmp_path: Path) -> None:
    destination = tmp_path / "out"
    with stopped(destination) as first:
        second = run(*arguments("bort_decoder", destination, "--no-verify"))
        assert second.returncode == 1
        assert "another conversion is writing it" in second.stderr
        assert not destination.exists()
        _, errors = first.communicate("go on\n")
    assert (first.returncode, errors) == (0, "")
    assert b"bort_backbone.params" in (destination / "conversion.json").read_bytes()
    assert names_in(destination.parent) == ["out"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("options", [(), ("--force",)])
def test_signal_in_the_middle_leaves_all_as_it_was(
    number: signal.Signals, code: int, options: tuple[str, ...], tmp_path: Path
) -> None:
    destination = tmp_path / "out"
    if options:
        destination.mkdir()
        (destination / "conversion.json").write_text(OLDER)
    before = names_in(destination.parent)
    with stopped(destination, *options) as process:
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in errors
    assert names_in(destination.parent) == before
    if options:
        assert (destination / "conversion.json").read_text() == OLDER


# The command; a signal arrives while an object that nobody holds is finalised, where Python prints
# what is raised and goes on. The weights are then written, were it not sent again.
SWALLOWED = """
import os, sys, time
from converter.cli.main import main
convert = sys.modules["converter.api"]
class Dying:
    def __del__(self):
        os.kill(os.getpid(), int(os.environ["NUMBER"]))
        time.sleep(0.1)
write = convert.write_model
def stop(*args):
    Dying()
    time.sleep(60)
    return write(*args)
convert.write_model = stop
main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_signal_within_a_finaliser_is_not_swallowed(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    args = arguments("bort_backbone", tmp_path / "out", "--no-verify")
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED, *args],
        env=environment() | {"NUMBER": str(int(number))},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert names_in(tmp_path) == []


# The command, interrupted after the directory has appeared and before the older one is removed
AFTERWARDS = """
import os, signal
from converter.cli.main import main
from converter.files.staging import Staging
commit = Staging.commit
def then_interrupted(stage):
    commit(stage)
    os.kill(os.getpid(), signal.SIGINT)
Staging.commit = then_interrupted
main()
"""


def test_interrupted_after_the_rename_it_says_no_more_than_is_true(tmp_path: Path) -> None:
    """It said that nothing was left behind, and a whole directory stood there."""
    args = arguments("bort_backbone", tmp_path / "out", "--no-verify")
    done = subprocess.run(
        [sys.executable, "-c", AFTERWARDS, *args],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr.endswith("\ninterrupted: nothing is half written\n")
    assert (tmp_path / "out" / "conversion.json").exists()
    assert names_in(tmp_path) == ["out"]
