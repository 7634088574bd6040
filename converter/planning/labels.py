"""The names of a head's labels: a list, a text with commas, or a file with a name a line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from converter.errors import OptionError
from converter.files.regular import read_regular

MAX_BYTES = 2**22  # 4 MiB: 100,000 names of 40 letters


def read_labels(told: str | os.PathLike[str] | Sequence[str]) -> list[str]:
    """The names, the first one first.

    A text is a file's name where there is such a file, else names with commas between. Raises
    `OptionError` for a file that cannot be read, and for a name that is empty or given twice.
    """
    if not isinstance(told, (str, os.PathLike)):
        names, place = [*told], ""
        if not all(isinstance(name, str) for name in names):
            raise OptionError("labels: every one has to be a text")
    elif isinstance(told, os.PathLike) or Path(told).is_file():
        try:
            text = read_regular(Path(told), MAX_BYTES).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OptionError(f"labels: {os.fspath(told)} cannot be read: {reason}") from error
        names, place = text.splitlines(), f" of {os.fspath(told)}"
    else:
        names, place = told.split(","), ""
    names = [name.strip() for name in names]
    if empty := [number for number, name in enumerate(names, 1) if not name]:
        raise OptionError(f"labels: number {empty[0]}{place} is empty")
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise OptionError(f"labels: {', '.join(map(repr, twice[:5]))}{place}: given more than once")
    return names
