"""The index of a parameters file, whatever it is in: the one entrance for reading."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from converter.errors import ParamsError
from converter.params.array_list import ARRAY_MAGIC, HEADER, LIST_BEGINNING, STORAGE, read_list
from converter.params.entries import DTYPES, Block, Index, Member, TensorEntry

__all__ = [
    "ARRAY_MAGIC",
    "DTYPES",
    "LIST_BEGINNING",
    "STORAGE",
    "Block",
    "Index",
    "Member",
    "TensorEntry",
    "read_index",
]


def read_index(path: str | os.PathLike[str]) -> Index:
    """Read names, dtypes, shapes and byte ranges of any parameters file.

    A `.params`, `.npz` or `.npy` file, or a `.tar.gz`, `.tar`, `.zip` or `.gz` with exactly one
    `.params` file in it, under any name. Cost and memory do not depend on the weights; but what is
    compressed as a whole is unpacked once, in passing, and may not become more than 200 times its
    size and 16 MiB, nor more than four times its size and 528 MiB.

    Raises `ParamsError` (file, place, byte, what to do) for anything that is not a whole
    list of tensors. Unnamed lists get their position as name, `"0"`, `"1"`, ….
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise ParamsError(f"{path}: is {kind}; name the .params file itself")
        with path.open("rb") as file:
            size = status.st_size
            if size >= HEADER and file.read(len(LIST_BEGINNING)) == LIST_BEGINNING:
                return Index(path, size, read_list(file, 0, size, path))
            from converter.params.containers import read_contents  # zipfile, tar: few need them

            found = read_contents(file, size, path)
        return Index(path, size, found.tensors, found.container, found.member, found.others)
    except OSError as error:
        if str(path) == "-":
            raise ParamsError(
                "-: standard input cannot be read: a parameters file is read out of order, and "
                "twice. Save it to a file first"
            ) from error
        raise ParamsError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # a path with a null character
        raise ParamsError(f"{str(path)!r}: {error}") from error
