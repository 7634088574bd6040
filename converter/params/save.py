"""NumPy arrays → a `.params` file, to the byte as MXNet writes it.

Sources: MXNet 1.5.0 and 1.9.1, `src/ndarray/ndarray.cc` (`NDArray::Save`, the list's
`NDArray::Save`), `include/mxnet/tuple.h` (`Tuple::Save`), `python/mxnet/gluon/block.py`
(`save_parameters` is `mx.nd.save` of a dictionary).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from converter.errors import WriteError
from converter.files.disk import new_file
from converter.files.staging import staging
from converter.params.array_list import ARRAY_MAGIC, LIST_BEGINNING, MAX_NDIM
from converter.params.entries import DTYPES

MAGIC = {version: magic for magic, version in ARRAY_MAGIC.items()}
FLAGS = {dtype.name: flag for flag, dtype in enumerate(DTYPES)}
DENSE, CPU = 0, (1, 0)  # the storage type; the device, which MXNet's readers ignore


def save_params(
    path: str | os.PathLike[str],
    arrays: Mapping[str, np.ndarray],
    version: Literal["V2", "V3"] = "V2",
    *,
    force: bool = False,
) -> None:
    """Write named arrays into the new file `path`, as `save_parameters` and `mx.nd.save` do.

    Any shape of up to 32 dimensions; float16, float32, float64, bfloat16 (of `ml_dtypes`), bool
    and the integers of 8 to 64 bits, in any byte order and stride. MXNet 1.5 reads neither bool
    nor bfloat16, and no MXNet 1.x for Python knows int16, uint16, uint32 and uint64.

    Args:
        path: The file to write.
        arrays: The name of each, and the array.
        version: V2, which MXNet reads and writes since 0.12, has neither scalars nor empty arrays;
            V3 has both, and is read by MXNet from 1.6 on, within `mx.util.np_shape(True)`.
        force: Replace a file that exists.

    One array is in memory at a time where `arrays` makes them on demand. The file appears whole,
    by one rename. Raises `WriteError`, with all `problems`, for what the version cannot hold, and
    for a destination that exists or cannot be written.
    """
    if version not in ("V2", "V3"):
        raise WriteError(f"{path}: there is no writer for version {version!r}; there are: V2, V3")
    problems = [
        f"{name!r}: {problem}"
        for name, array in arrays.items()
        for problem in _problems(name, array, version)
    ]
    if problems:
        raise WriteError(f"{path}: a {version} file cannot hold:", problems)
    names = [name.encode("utf-8", "surrogateescape") for name in arrays]
    if len({*names}) < len(names):
        raise WriteError(f"{path}: two of the names have the same bytes in UTF-8; rename one")
    heads = [_head(array, version) for array in arrays.values()]
    ends = b"".join(struct.pack("<Q", len(name)) + name for name in names)
    size = sum(map(len, heads)) + sum(array.nbytes for array in arrays.values())
    with staging(path, file=True, force=force) as stage:
        with new_file(stage.path, len(LIST_BEGINNING) + 16 + size + len(ends)) as file:
            file.write(LIST_BEGINNING + struct.pack("<Q", len(names)))
            for head, array in zip(heads, arrays.values(), strict=True):
                file.write(head)
                file.write(_data(array))
            file.write(struct.pack("<Q", len(names)) + ends)
        stage.commit()


def _problems(name: str, array: np.ndarray, version: str) -> Iterator[str]:
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        yield "the name is no text that UTF-8 can write; rename it"
    if array.dtype.name not in FLAGS:
        yield f"MXNet has no dtype {array.dtype.name}; cast it with `.astype`"
    if array.ndim > MAX_NDIM:
        yield f"{array.ndim} dimensions, and MXNet has at most {MAX_NDIM}; reshape it"
    if version == "V2" and not array.size:
        yield f"shape {array.shape} is empty, which MXNet reads as 'no array'; use version V3"
    if version == "V2" and not array.ndim:
        yield "is a scalar, which MXNet reads as 'no array'; use version V3, or shape (1,)"


def _head(array: np.ndarray, version: str) -> bytes:
    """The header of one array."""
    layout = f"<Iii{array.ndim}qiii"
    flag = FLAGS[array.dtype.name]
    return struct.pack(layout, MAGIC[version], DENSE, array.ndim, *array.shape, *CPU, flag)


def _data(array: np.ndarray) -> memoryview:
    """The bytes, C-contiguous and little-endian; no copy of an array that is so already."""
    dtype = DTYPES[FLAGS[array.dtype.name]]
    return np.asarray(array, dtype, order="C").reshape(-1).view(np.uint8).data
