"""No room for the weights: that is said, and nothing is left.

A small tmpfs in a mount namespace of its own where the system permits one (`unshare`); where it
does not, the limit on the size of files (RLIMIT_FSIZE) stands in for it. The limit has a test of
its own everywhere.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.faults.making import (
    OLDER,
    bort_arrays,
    command,
    contents,
    environment,
    names_in,
    write_params,
)
from tests.faults.mounts import on_tmpfs, permitted

TOO_SMALL = 2**20  # bytes; the weights need 1.3 MB


def limited(size: int, args: list[str]) -> list[str]:
    return ["sh", "-c", f"ulimit -f {size // 512}; exec {shlex.join(args)}"]


def converted(
    limit: str, size: int, tmp_path: Path, *, older: bool
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The command where only `size` bytes fit, and the folder of the destination afterwards."""
    folder, kept = tmp_path / "folder", tmp_path / "left"
    tmpfs = limit == "disk" and permitted(tmp_path)
    place = kept if tmpfs else folder
    for directory in (folder, kept, *([place / "out"] if older else [])):
        directory.mkdir()
    if older:
        for name, data in OLDER.items():
            (place / "out" / name).write_bytes(data)
    source = write_params(tmp_path / "source.params", bort_arrays(vocabulary=40_000))
    before = source.read_bytes()
    args = command("--src", source, "--dst", folder / "out", "--no-verify", "--force")
    args += ["--family", "bort", "--config", "num_attention_heads=4"]
    args = on_tmpfs(size, folder, kept, args) if tmpfs else limited(size, args)
    result = subprocess.run(
        args, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    assert source.read_bytes() == before
    return result, place


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("limit", ["disk", "limit on the size of files"])
def test_no_room_for_the_weights(limit: str, older: bool, tmp_path: Path) -> None:
    result, folder = converted(limit, TOO_SMALL, tmp_path, older=older)
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith("Error: ")
    assert "the disk is full" in result.stderr or "ulimit -f" in result.stderr
    assert "bytes are needed" in result.stderr
    assert "Traceback" not in result.stderr
    assert names_in(folder) == (["out"] if older else [])
    if older:
        assert contents(folder / "out") == OLDER
