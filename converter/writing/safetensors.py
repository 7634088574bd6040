"""Tensors → safetensors files, streamed: no tensor is ever held whole here.

The safetensors layout (8 bytes of length, a JSON header, then the data; `safetensors` README,
"Format") is written here because the library's `save_file` wants every tensor in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.files.disk import Flusher, new_file
from converter.files.progress import Progress, silent

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
Pieces = Iterator[bytes | memoryview]


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
    """Write `tensors` into the new file `path`, as `write_files` does."""
    write_files({path: tensors}, progress)


def write_files(files: Mapping[Path, Sequence[Tensor]], progress: Progress = silent) -> None:
    """Write new files of tensors, in each the widest dtype first, so that each is aligned.

    Raises `WriteError` when there is no room for all of them, before a byte is written where the
    system can tell, and `OSError` for anything else that the system refuses.
    """
    done, total = 0, sum(tensor.nbytes for tensors in files.values() for tensor in tensors)
    with ExitStack() as stack:
        opened = []
        for path, tensors in files.items():
            tensors = sorted(tensors, key=lambda tensor: -tensor.dtype.itemsize)  # stable
            header = header_of(tensors)
            size = len(header) + sum(tensor.nbytes for tensor in tensors)
            opened.append((stack.enter_context(new_file(path, size)), header, tensors))
        for file, header, tensors in opened:
            file.write(header)
            flusher = Flusher(file)
            for tensor in tensors:
                for piece in tensor.pieces():
                    file.write(piece)
                    done += len(piece)
                    flusher.wrote(len(piece))
                    progress("writing", done, total)
