"""All tensors of a parameters file as NumPy arrays, without reading them before they are used."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping

import numpy as np

from converter.errors import ParamsError
from converter.params.entries import Index, TensorEntry, array_of
from converter.params.index import read_index
from converter.params.weights import Weights


def load_params(path: str | os.PathLike[str], *, densify: bool = False) -> Mapping[str, np.ndarray]:
    """Map every name in `path` to a NumPy array that is read when it is used.

    Shapes and dtypes are the file's own (bfloat16 through `ml_dtypes`). An array of a plain
    `.params` file is read-only and backed by the file: nothing is copied. It may be unaligned, as
    it is in the file: call `.copy()` before handing it to code that writes or needs alignment,
    such as `torch.from_numpy`. Arrays of compressed or sparse files are unpacked at each use:
    keep the one you got.

    Args:
        path: The file, or an archive with one in it.
        densify: Give sparse tensors as dense arrays, which can be far larger than the file.

    Raises `ParamsError` as `read_index` does; and, where its value is asked for, for a sparse
    tensor without `densify` and for a name without array.
    """
    return map_tensors(read_index(path), densify)


def map_tensors(index: Index, densify: bool = False) -> Mapping[str, np.ndarray]:
    """The arrays of an index that was read already; the mapping lives as long as its arrays."""
    try:
        with index.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != index.size:
                raise ParamsError(f"{index.path}: the file changed while it was read")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ParamsError(f"{index.path}: {error.strerror or error}") from error
    return _Arrays(index, data, densify)


class _Arrays(Mapping[str, np.ndarray]):
    def __init__(self, index: Index, data: mmap.mmap, densify: bool) -> None:
        self._index, self._data, self._densify = index, data, densify

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.tensors)

    def __len__(self) -> int:
        return len(self._index.tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._index.tensors

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._index.tensors[name]
        if entry.storage == "dense" and not (entry.packed or entry.fortran or entry.swapped):
            return _mapped(self._data, entry)
        try:
            with Weights(self._index) as weights:
                array = weights.dense(entry) if self._densify else weights.whole(entry)
        except OSError as error:
            raise ParamsError(f"{self._index.path}: {error.strerror or error}") from error
        array.flags.writeable = False
        return array


def _mapped(data: mmap.mmap, entry: TensorEntry) -> np.ndarray:
    end = entry.offset + entry.nbytes
    return array_of(memoryview(data)[entry.offset : end], entry.dtype, entry.shape)
