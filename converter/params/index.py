"""The index of a parameters file, whatever it stands in: the one entrance for reading."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from converter.errors import ParamsError
from converter.params.entries import DTYPES, Block, Index, TensorEntry
from converter.params.listing import ARRAY_MAGIC, HEADER, LIST_BEGINNING, STORAGE, read_list

__all__ = [
    "ARRAY_MAGIC",
    "DTYPES",
    "LIST_BEGINNING",
    "STORAGE",
    "Block",
    "Index",
    "TensorEntry",
    "read_index",
]
# How files begin that are met under the name of a .params file, and what to do about each.
MISTAKEN = {
    b"PK\x03\x04": "a ZIP archive (of MXNet 2, of PyTorch, or a bundle): if a .params "
    "file is in it, unpack it first",
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"version https://git-lfs": "a git-lfs pointer, not the file itself: run `git lfs pull`",
    b"\x93NUMPY": "a NumPy array, not a list of parameters",
    b"\x80": "a Python pickle (a PyTorch file, or the states of an MXNet optimizer)",
    b"<": "a web page or an error message of the server: fetch the file again",
}


def read_index(path: str | os.PathLike[str]) -> Index:
    """Read names, dtypes, shapes and byte ranges; cost and memory do not depend on the weights.

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
            _check_beginning(file.read(64), path, status.st_size)
            return Index(path, status.st_size, read_list(file, 0, status.st_size, path))
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # a path with a null character
        raise ParamsError(f"{str(path)!r}: {error}") from error


def _check_beginning(beginning: bytes, path: Path, size: int) -> None:
    """Say what the file is when it is no list of MXNet arrays."""
    if not beginning:
        raise ParamsError(f"{path}: is empty. The download may have failed: fetch it again.")
    if beginning.startswith(LIST_BEGINNING[:size]):
        if size < HEADER:
            raise ParamsError(
                f"{path}: {size} bytes are too few for an MXNet .params file "
                "(its header alone has 24). The download may have failed: fetch it again."
            )
        return
    text = beginning.lstrip()
    for start, what in MISTAKEN.items():
        if text.startswith(start):
            raise ParamsError(f"{path}: not an MXNet .params file, but {what}.")
    raise ParamsError(
        f"{path}: not an MXNet .params file: it begins with {beginning[:16].hex(' ', 2)}, "
        f"not with {LIST_BEGINNING.hex(' ', 2)}. Check that this is the file that MXNet saved."
    )
