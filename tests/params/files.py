"""An independent writer of MXNet's `.params` files, for tests: made of `struct`.

It shares no line with `converter.params`; `test_live.py` shows that MXNet itself reads what it
makes. The layout, little-endian throughout (MXNet `src/ndarray/ndarray.cc`,
`include/mxnet/tuple.h`):

    u64 0x112, u64 0, u64 count, count arrays, u64 n, n × (u64 length, name); n is count or 0

    V0  u32 ndim, ndim × u32                                        then context, dtype, data
    V1  u32 0xF993FAC8, u32 ndim, ndim × i64                        the same
    V2  u32 0xF993FAC9, i32 storage, u32 ndim, ndim × i64           the same
    V3  u32 0xF993FACA, i32 storage, i32 ndim, ndim × i64           the same

    context: i32 device type, i32 device number; dtype: i32 flag

    sparse (V2 alone): the data's own shape stands before the shape; behind the dtype stand a
    dtype flag and a shape for each index array; behind the data stands the data of each

Every field can be set wrongly: that is what the hostile files of the tests are made with.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

VERSIONS = ("V0", "V1", "V2", "V3")
MAGIC = {"V1": 0xF993FAC8, "V2": 0xF993FAC9, "V3": 0xF993FACA}
FLAGS = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 12}  # mshadow's type flags
CPU, GPU, PINNED = (1, 0), (2, 3), (3, 0)


@dataclass(frozen=True)
class Array:
    """One array as it will stand in a file; `ndim` and `storage` may lie.

    stored: the shape of a sparse array's data; aux: (flag, shape, data) of its index arrays
    """

    shape: tuple[int, ...]
    data: bytes
    flag: int = 0
    context: tuple[int, int] = CPU
    ndim: int | None = None
    storage: int = 0
    stored: tuple[int, ...] = ()
    aux: tuple[tuple[int, tuple[int, ...], bytes], ...] = ()


@dataclass(frozen=True)
class File:
    """A list of arrays, or of their bytes; `names` None is an unnamed list.

    `count` and `names_count` may lie.
    """

    arrays: Sequence[Array | bytes]
    names: Sequence[str | bytes] | None = None
    version: str = "V2"
    magic: int = 0x112
    reserved: int = 0
    count: int | None = None
    names_count: int | None = None
    name_lengths: Sequence[int] = field(default=())

    def encode(self) -> bytes:
        """The whole file."""
        names = [n.encode() if isinstance(n, str) else n for n in self.names or ()]
        lengths = [*self.name_lengths] or [len(name) for name in names]
        count = len(self.arrays) if self.count is None else self.count
        names_count = len(names) if self.names_count is None else self.names_count
        return b"".join(
            [
                struct.pack("<QQQ", self.magic, self.reserved, count),
                *(
                    array if isinstance(array, bytes) else encode_array(array, self.version)
                    for array in self.arrays
                ),
                struct.pack("<Q", names_count),
                *(
                    struct.pack("<Q", length) + name
                    for length, name in zip(lengths, names, strict=True)
                ),
            ]
        )


def encode_array(array: Array, version: str) -> bytes:
    """One array in the layout of `version`."""
    ndim = len(array.shape) if array.ndim is None else array.ndim
    start = b"" if version == "V0" else struct.pack("<I", MAGIC[version])
    if version in ("V2", "V3"):
        start += struct.pack("<i", array.storage)
    if array.aux:
        start += _shape(array.stored)
    dims = struct.pack(f"<{len(array.shape)}{'I' if version == 'V0' else 'q'}", *array.shape)
    return b"".join(
        [
            start,
            struct.pack("<I", ndim % 2**32),
            dims,
            struct.pack("<iii", *array.context, array.flag),
            *(struct.pack("<i", flag) + _shape(shape) for flag, shape, _ in array.aux),
            array.data,
            *(data for _, _, data in array.aux),
        ]
    )


def nothing(version: str) -> bytes:
    """An entry without array: no dimension, or in V3 an unknown number of them; then no more."""
    ndim = struct.pack("<i", -1 if version == "V3" else 0)
    start = b"" if version == "V0" else struct.pack("<I", MAGIC[version])
    return start + (struct.pack("<i", 0) if version in ("V2", "V3") else b"") + ndim


def _shape(shape: tuple[int, ...]) -> bytes:
    return struct.pack(f"<i{len(shape)}q", len(shape), *shape)


INT64 = 6  # the flag of MXNet's own index arrays


def row_sparse(
    shape: tuple[int, ...], rows: Sequence[int], data: np.ndarray[Any, Any], flag: int = 0
) -> Array:
    """A row_sparse array: `data` are the rows of the numbers `rows`."""
    numbers = np.array(rows, "<i8")
    aux = (INT64, numbers.shape, numbers.tobytes())
    return Array(shape, data.tobytes(), flag, storage=1, stored=data.shape, aux=(aux,))


def csr(
    shape: tuple[int, ...],
    indptr: Sequence[int],
    columns: Sequence[int],
    data: np.ndarray[Any, Any],
    flag: int = 0,
) -> Array:
    """A csr matrix."""
    numbers = [np.array(part, "<i8") for part in (indptr, columns)]
    aux = tuple((INT64, part.shape, part.tobytes()) for part in numbers)
    return Array(shape, data.tobytes(), flag, storage=2, stored=data.shape, aux=aux)


def encode_arrays(arrays: Mapping[str, np.ndarray[Any, Any]], version: str = "V2") -> bytes:
    """The whole file of some named NumPy arrays."""
    made = [
        Array(array.shape, np.ascontiguousarray(array).tobytes(), FLAGS[array.dtype.name])
        for array in arrays.values()
    ]
    return File(made, [*arrays], version).encode()
