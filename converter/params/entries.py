"""What the index of a parameters file is made of: tensors, and where their bytes are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import ml_dtypes
import numpy as np

from converter.errors import ParamsError, safe
from converter.params.inflate import Packed, PackedError, PackedFile

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
class Member:
    """A file in the same archive as the parameters, of which nothing was read.

    place: what the archive calls it; a text to show, never a path
    start, size: in bytes, of its content; in the compressed stream where there is one
    """

    archive: Path
    place: str
    start: int
    size: int
    packed: Packed | None = None

    def __str__(self) -> str:
        return f"{self.place} in {self.archive}"

    @property
    def name(self) -> str:
        """Without its folders."""
        return PurePosixPath(self.place).name

    @property
    def folder(self) -> str:
        """The name of the folder that it is in; empty where it is in none."""
        return PurePosixPath(self.place).parent.name

    def read(self, most: int) -> bytes:
        """Its content of at most `most` bytes, in memory: nothing is unpacked to a place.

        Raises `ValueError` when it is larger or damaged, and `OSError`.
        """
        if self.size > most:
            raise ValueError(f"it has more than {most:,} bytes")
        with self.archive.open("rb") as archive:
            file = archive if self.packed is None else PackedFile(archive, self.packed)
            file.seek(self.start)
            content = bytearray()
            try:
                while len(content) < self.size:
                    more = file.read(self.size - len(content))
                    if not more:
                        raise ValueError("the archive became shorter while it was read")
                    content += more
            except PackedError as error:
                raise ValueError(str(error)) from error
        return bytes(content)


@dataclass(frozen=True, repr=False)
class Index:
    """What is in a parameters file. `tensors` keeps the order of the file; no weight was read.

    Its keys are the entries' own names, or the structural names that
    `converter.planning.scopes` found.

    container: `params`, `npz`, `npy`, `gzip`, `tar`, `tar.gz` or `zip`
    member: what an archive calls the parameters file in it; a text to show, never a path
    others: the other files of the archive
    """

    path: Path
    size: int
    tensors: Mapping[str, TensorEntry]
    container: str = "params"
    member: str | None = None
    others: tuple[Member, ...] = ()

    def __repr__(self) -> str:
        file = safe(self.path.name)
        return f"<Index of {file}: {len(self.tensors):,} tensors, {self.size:,} bytes>"

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
