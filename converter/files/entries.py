"""What is in a directory, so that a change by somebody else is seen."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from converter.errors import WriteError
from converter.files.staging import some


def entries(directory: Path) -> dict[str, tuple[int, ...]]:
    """The names in a directory and below it, each with what changes when the file does."""
    found: dict[str, tuple[int, ...]] = {}
    for folder, folders, files in os.walk(directory):
        for path in (Path(folder, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):  # removed just now
                status = path.lstat()
                content = (status.st_ino, status.st_size, status.st_mtime_ns)
                is_folder = stat.S_ISDIR(status.st_mode)  # of which the names in it say all
                found[str(path.relative_to(directory))] = () if is_folder else content
    return found


def check_entries(directory: Path, before: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `WriteError` when a directory is not as `entries` saw it before."""
    now = entries(directory)
    names = before.keys() | now.keys()
    if changed := sorted(name for name in names if before.get(name) != now.get(name)):
        raise WriteError(
            f"{directory}: was changed while it was made anew ({some(changed)}); nothing was "
            "written: run the command again"
        )
