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

from tests.faults.making import arguments, command, contents, environment, names_in

TOO_SMALL = 40_000  # bytes; the weights of bort_backbone need 63,000
OLDER = {"conversion.json": b"{}", "weights": b"older"}

# A tmpfs of $1 bytes at $2 with an older conversion in it; then the command. What is left of the
# folder is copied out to $3, because the tmpfs ends with its namespace.
ON_TMPFS = """
mount -t tmpfs -o size="$1" tmpfs "$2" && cp -r "$3/." "$2" || exit 99
left=$3 folder=$2; shift 3
"$@"; code=$?
rm -r "$left" && cp -r "$folder" "$left"; exit $code
"""


def tmpfs_command(size: int, folder: Path, kept: Path, args: list[str]) -> list[str]:
    script = ["sh", "-c", ON_TMPFS, "sh", str(size), str(folder), str(kept), *args]
    return ["unshare", "--map-root-user", "--mount", *script]


def permitted(tmp_path: Path) -> bool:
    (tmp_path / "try").mkdir()
    (tmp_path / "kept").mkdir()
    try:
        args = tmpfs_command(65536, tmp_path / "try", tmp_path / "kept", ["true"])
        return subprocess.run(args, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


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
    args = command(*arguments("bort_backbone", folder / "out", "--no-verify", "--force"))
    args = tmpfs_command(size, folder, kept, args) if tmpfs else limited(size, args)
    result = subprocess.run(
        args, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
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
