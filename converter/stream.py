"""Tensors → one safetensors file, streamed: no tensor is ever held whole here.

The safetensors layout (8 bytes of length, a JSON header, then the data; `safetensors` README,
"Format") is written here because the library's `save_file` wants every tensor in memory.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from converter.errors import WriteError

NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a limit on the size of files stands in the way (`ulimit -f`, or the file system)",
}
# safetensors' names of the types (its README, "Format")
CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
Progress = Callable[[str, int, int], None]
Pieces = Iterator[bytes | memoryview]


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""


@dataclass(frozen=True)
class Tensor:
    """What is to be written: `pieces()` gives its C-contiguous bytes, `nbytes` in all."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    nbytes: int
    pieces: Callable[[], Pieces]


def header_of(tensors: Sequence[Tensor]) -> bytes:
    """The beginning of the file, before the data of `tensors` in their order."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.nbytes
        header[tensor.name] = {
            "dtype": CODES[tensor.dtype.name],
            "shape": tensor.shape,
            "data_offsets": (offset, end),
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_safetensors(path: Path, tensors: Sequence[Tensor], progress: Progress = silent) -> None:
    """Write `tensors` into the new file `path`, widest dtype first, so that each is aligned.

    Raises `WriteError` when there is no room for them, before a byte is written where the system
    can tell, and `OSError` for anything else that the system refuses.
    """
    tensors = sorted(tensors, key=lambda tensor: -tensor.dtype.itemsize)  # stable
    header, total = header_of(tensors), sum(tensor.nbytes for tensor in tensors)
    try:
        with path.open("wb", buffering=0) as file:
            _reserve(file, len(header) + total)
            _write_all(file, header)
            done = 0
            for tensor in tensors:
                for piece in tensor.pieces():
                    _write_all(file, piece)
                    done += len(piece)
                    progress("writing", done, total)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise WriteError(
                f"{path.parent.parent}: {NO_ROOM[error.errno]}: {total:,} bytes are needed; "
                "nothing was written"
            ) from error
        raise


def _reserve(file: BinaryIO, size: int) -> None:
    """Claim the whole size first: a full disk is refused before a byte is written."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            # a file system that cannot reserve: it will say so while writing


def _write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
