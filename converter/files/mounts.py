"""What is mounted below a directory: it is not part of it, and is not removed with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")  # Linux; proc_pid_mountinfo(5)


def mounts_in(directory: Path) -> Iterator[str]:
    """The places: of file systems everywhere, on Linux also of single files and folders."""
    for folder, names, _ in os.walk(directory):
        mounted = [name for name in names if os.path.ismount(os.path.join(folder, name))]
        names[:] = [name for name in names if name not in mounted]
        yield from mounted
    if MOUNTS.exists():
        for line in MOUNTS.read_bytes().splitlines():  # a space in a place is \\040
            place = Path(os.fsdecode(line.split()[4].decode("unicode_escape").encode("latin-1")))
            if directory in place.parents and not os.path.ismount(place):
                yield str(place.relative_to(directory))
