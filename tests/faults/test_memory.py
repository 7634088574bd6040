"""Hostile files cost no more than what they weigh: memory under a limit, work in steps counted.

The limit is set where the system tells the size of a process (/proc); elsewhere the same files
must be refused without it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from converter.errors import ParamsError
from converter.params import load_params, read_index
from tests.faults.making import environment
from tests.params.files import VERSIONS, Array, File

HUGE = 2**62
ALLOWED = 8 * 2**20  # bytes beyond the file, for all of its reading
ONE = Array((2, 3), bytes(24))

# Reads FILES with ALLOWED bytes of address space beyond what the interpreter has now.
LIMITED = """
import json, os, sys
from converter.errors import ParamsError
from converter.params import Weights, load_params, read_index
allowed, files = json.loads(sys.argv[1])
if os.path.exists("/proc/self/statm"):
    import resource
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + allowed,) * 2)
found = {}
for file in files:
    try:
        index = read_index(file)
        load_params(file)
        with Weights(index) as weights:
            for entry in index.tensors.values():
                for piece in weights.pieces(entry):
                    pass
        found[file] = "read"
    except Exception as error:
        found[file] = type(error).__name__
print(json.dumps(found))
"""


def hostile() -> Mapping[str, bytes]:
    """Files that ask for much more than they have: bombs of other loaders among them."""
    files = {
        "name of 2^32": File([ONE], ["a"], name_lengths=[2**32]),
        "name of 2^62": File([ONE], ["a"], name_lengths=[HUGE]),
        "2^62 tensors": File([ONE], count=HUGE),
        "2^62 names": File([ONE], ["a"], names_count=HUGE),
        "2^31 elements": File([Array((2**31,), b"")]),
        "2^62 elements": File([Array((HUGE // 4,), b"")]),
        "empty and huge": File([Array((0, 2**60), b"")], version="V3"),
        "32 dimensions of 2^62": File([Array((HUGE,) * 32, b"")]),
        "ndim -1": File([replace(ONE, ndim=-1, data=b"\x41" * 4000)]),
        "ndim 2^31 - 1": File([replace(ONE, ndim=2**31 - 1)]),
    }
    return {name: file.encode() for name, file in files.items()}


def test_memory_stays_near_the_size_of_the_file(tmp_path: Path) -> None:
    files = {str(tmp_path / name): content for name, content in hostile().items()}
    whole = File([Array((2**18,), bytes(2**20))] * 4, ["a", "b", "c", "d"]).encode()
    files[str(tmp_path / "4 MB")] = whole
    for path, content in files.items():
        Path(path).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, json.dumps([ALLOWED, [*files]])],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found.pop(str(tmp_path / "4 MB")) == "read"
    assert {Path(path).name: what for path, what in found.items()} == {
        name: "read" if name == "empty and huge" else "ParamsError" for name in hostile()
    }


def steps(content: bytes, path: Path) -> int:
    """How many functions are called while a file is read, or found to be none."""
    path.write_bytes(content)
    count = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        with suppress(ParamsError):
            read_index(path)
            load_params(path)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("version", VERSIONS)
def test_work_grows_no_faster_than_the_file(version: str, tmp_path: Path) -> None:
    """Counted in calls, which no busy machine changes: twice the tensors, twice the calls."""
    arrays = [Array((1,), bytes(4))] * 2000
    names = [f"{number:04}" for number in range(2000)]
    few, many = (
        steps(File(arrays[:n], names[:n], version).encode(), tmp_path / "x") for n in (1000, 2000)
    )
    assert few > 1000
    assert many <= 2 * few


def test_the_limit_is_one(tmp_path: Path) -> None:
    """The child is stopped when it asks for more: the test above can fail."""
    path = tmp_path / "large"
    path.write_bytes(File([Array((2**22,), bytes(2**24))], ["a"]).encode())
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, json.dumps([2**20, [str(path)]])],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    stopped = Path("/proc/self/statm").exists()
    assert json.loads(done.stdout) == {str(path): "ParamsError" if stopped else "read"}
