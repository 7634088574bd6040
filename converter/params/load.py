"""All tensors of a `.params` file as NumPy arrays, without reading them before they are used."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from converter.errors import ParamsError
from converter.params.index import Index, read_index


def load_params(path: str | os.PathLike[str]) -> Mapping[str, np.ndarray]:
    """Map every name in `path` to a read-only NumPy array backed by the file.

    Shapes and dtypes are the file's own (bfloat16 through `ml_dtypes`). Nothing is copied:
    pages are read when an array is used. Arrays may be unaligned, as they are in the file:
    call `.copy()` before handing one to code that writes or needs alignment, such as
    `torch.from_numpy`. Raises `ParamsError` as `read_index` does.
    """
    return map_tensors(read_index(path))


def map_tensors(index: Index) -> Mapping[str, np.ndarray]:
    """The arrays of an index that was read already; the mapping lives as long as its arrays."""
    try:
        with index.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != index.size:
                raise ParamsError(f"{index.path}: the file changed while it was read")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ParamsError(f"{index.path}: {error.strerror or error}") from error
    return MappingProxyType(
        {
            entry.name: np.frombuffer(
                data, entry.dtype, count=entry.nbytes // entry.dtype.itemsize, offset=entry.offset
            ).reshape(entry.shape)
            for entry in index.tensors.values()
        }
    )
