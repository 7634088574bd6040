"""A small or read-only file system of a test's own, where the system permits one (`unshare`)."""

from __future__ import annotations

import subprocess
from pathlib import Path

# A tmpfs of $1 bytes at $2 with what stands in $3 in it, then remounted with the options $4; then
# the command. What is left is copied out to $3, because the tmpfs ends with its namespace.
ON_TMPFS = """
mount -t tmpfs -o size="$1" tmpfs "$2" && cp -r "$3/." "$2" || exit 99
mount -o "remount,$4" "$2" || exit 99
left=$3 folder=$2; shift 4
"$@"; code=$?
rm -r "$left" && cp -r "$folder" "$left"; exit $code
"""


def on_tmpfs(
    size: int, folder: Path, kept: Path, args: list[str], options: str = "rw"
) -> list[str]:
    """The command line that runs `args` with a tmpfs at `folder`; see `ON_TMPFS`."""
    script = ["sh", "-c", ON_TMPFS, "sh", str(size), str(folder), str(kept), options, *args]
    return ["unshare", "--map-root-user", "--mount", *script]


def permitted(tmp_path: Path) -> bool:
    """Whether this system lets a test mount anything."""
    (tmp_path / "try").mkdir()
    (tmp_path / "kept").mkdir()
    try:
        args = on_tmpfs(65536, tmp_path / "try", tmp_path / "kept", ["true"])
        return subprocess.run(args, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
