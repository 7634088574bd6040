"""A source that changes while it is read: the command says so, and makes no destination."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.borts import source
from tests.faults.making import environment, heads, names_in

pytestmark = pytest.mark.exhaustive

NAME = "bort_backbone"
OLDER = '{"tool": {"name": "bort-convert"}}'

# The command, waiting for a line on stdin at one place: before the weights are read (`_reserve`),
# or after they are written (`write_json` of the report, `prove`).
WAITING = """
import sys
from importlib import import_module
from converter.cli.main import main
module, name = sys.argv.pop(1).split(":")
module = import_module(module)
call = getattr(module, name)
def wait(*args, **more):
    print("waits", flush=True)
    sys.stdin.readline()
    setattr(module, name, call)
    return call(*args, **more)
setattr(module, name, wait)
main()
"""


def shrink(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(100))


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-20_000, 2)
        file.write(b"\x41" * 16)


def replace(path: Path) -> None:
    other = path.with_name("other.params")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


PLACES = {
    "before the weights are read": ("converter.files.disk:_reserve", ("--no-verify",)),
    "after they are written": ("converter.api:report_of", ("--no-verify",)),
    "before the proof": ("converter.api:prove", ()),
    "before parity": ("converter.proof.parity:run_source_side", ()),
}
CHANGES = [shrink, grow, overwrite, replace, remove]
CASES = [(place, change) for place in [*PLACES][:2] for change in CHANGES]
CASES += [("before the proof", change) for change in (shrink, overwrite, remove)]
CASES += [("before parity", shrink)]


@pytest.mark.parametrize(
    ("place", "change", "older"),
    [(*case, number % 2 == 1) for number, case in enumerate(CASES)],
)
def test_source_that_changes(
    place: str, change: Callable[[Path], None], older: bool, tmp_path: Path
) -> None:
    hook, options = PLACES[place]
    copy, folder = tmp_path / "copy.params", tmp_path / "folder"
    copy.write_bytes(source(NAME).read_bytes())
    folder.mkdir()
    destination = folder / "out"
    if older:
        destination.mkdir()
        (destination / "conversion.json").write_text(OLDER)
    args = ["--src", str(copy), "--dst", str(destination)]
    args += ["--family", "bort", "--config", heads(NAME)]
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, hook, *args, "--force", "--quiet", *options],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        change(copy)
        after = copy.read_bytes() if copy.exists() else None
        _, errors = process.communicate("go on\n")
    assert process.returncode == 1, errors
    assert errors.startswith(f"Error: {copy}: ")
    gone = change is remove and place == "before the proof"  # which cannot open it
    assert ("No such file or directory; nothing" if gone else "while it was read") in errors
    assert "Traceback" not in errors
    assert names_in(folder) == (["out"] if older else [])
    if older:
        assert (destination / "conversion.json").read_text() == OLDER
    assert (copy.read_bytes() if copy.exists() else None) == after
