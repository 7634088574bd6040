"""What the index of a parameters file is made of: tensors, and where their bytes are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from converter.errors import ParamsError, safe
from converter.params.inflate import Packed

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
# mshadow's type flags (MXNet 1.9.1, 3rdparty/mshadow/mshadow/base.h), by position.
DTYPES: tuple[np.dtype, ...] = (
    *(np.dtype(t) for t in ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?")),
    *(np.dtype(t) for t in ("<i2", "<u2", "<u4", "<u8")),
    BFLOAT16,
)
NOTHING = np.dtype("V")  # the dtype of an entry without array
MAX_BYTES = 2**63 - 1  # of one tensor; NumPy counts no further, not even around a zero


@dataclass(frozen=True)
class Block:
    """One run of numbers in the file: the row numbers of a sparse tensor, for example."""

    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    packed: Packed | None = None


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of the file. `offset` and `nbytes` are in bytes, of the data as it is stored.

    storage: `dense`, `row_sparse`, `csr`, or `none` (a name without an array: dtype void, no bytes)
    shape: of the dense tensor, whatever its storage
    stored_shape, aux: of a sparse tensor, its data's own shape and its index arrays
        (row_sparse: row numbers; csr: indptr, then column numbers)
    packed: the compressed stream that offsets count in; None counts in the file itself
    fortran, swapped: an array of NumPy's format in column order, or of big-endian numbers
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    version: str
    storage: str = "dense"
    stored_shape: tuple[int, ...] = ()
    aux: tuple[Block, ...] = ()
    packed: Packed | None = None
    fortran: bool = False
    swapped: bool = False

    @property
    def dense_nbytes(self) -> int:
        """The bytes of the dense tensor: for a sparse one, not bounded by the file."""
        return math.prod(self.shape) * self.dtype.itemsize if self.storage != "none" else 0


@dataclass(frozen=True)
class Index:
    """What is in a parameters file. `tensors` keeps the order of the file; no weight was read.

    Its keys are the entries' own names, or the structural names that
    `converter.planning.scopes` found.

    container: `params`, `npz`, `npy`, `gzip`, `tar`, `tar.gz` or `zip`
    member: what an archive calls the parameters file in it; a text to show, never a path
    """

    path: Path
    size: int
    tensors: Mapping[str, TensorEntry]
    container: str = "params"
    member: str | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """The array versions met in the file (`V0` … `V3`, or `npy`), sorted."""
        return tuple(sorted({entry.version for entry in self.tensors.values()}))


def byte_count(shape: tuple[int, ...], dtype: np.dtype) -> int | None:
    """How many bytes an array has; None when no machine could count them."""
    if math.prod(size for size in shape if size) * dtype.itemsize > MAX_BYTES:
        return None
    return math.prod(shape) * dtype.itemsize


def array_of(
    data: bytes | bytearray | memoryview, dtype: np.dtype, shape: tuple[int, ...]
) -> np.ndarray:
    """Little-endian bytes as an array; copied only where the host is big-endian."""
    if dtype == BFLOAT16:  # ml_dtypes knows the host's own byte order alone
        return np.frombuffer(data, "<u2").astype(np.uint16, copy=False).view(dtype).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


def need_dense(index: Index, entry: TensorEntry) -> None:
    """Refuse, by name, what has no dense bytes in the file."""
    where = f"{index.path}: {safe(entry.name)}"
    if entry.storage == "none":
        raise ParamsError(
            f"{where}: holds no array (a parameter saved before it was initialised): "
            "leave it out, or save the model again after a forward pass"
        )
    if entry.storage != "dense":
        raise ParamsError(
            f"{where}: its storage is {entry.storage} (sparse; dense it has "
            f"{entry.dense_nbytes:,} bytes): read it with load_params(path, densify=True), or save "
            "it densely with `array.tostype('default')`"
        )
