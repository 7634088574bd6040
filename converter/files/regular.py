"""A small file that someone gave or left beside the parameters, read whole."""

from __future__ import annotations

import stat
from pathlib import Path


def check_regular(path: Path) -> None:
    """Raise `ValueError` for what is no regular file: opening a named pipe would wait for ever."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # of a directory the system says it itself
        raise ValueError("it is not a regular file; save what it gives to a file first")


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises `ValueError`, with the reason, for a larger file and for what is no regular file, and
    `OSError` when it cannot be read.
    """
    check_regular(path)
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return content
