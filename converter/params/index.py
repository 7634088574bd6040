"""The index of a `.params` file: names, dtypes, shapes and byte ranges, read without the weights.

Sources: MXNet 1.9.1 `src/ndarray/ndarray.cc` (`NDArray::Save`, `Load`, `LegacyLoad`),
`include/mxnet/tuple.h`, dmlc-core's serializer. Everything is little-endian.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import ml_dtypes
import numpy as np

from converter.errors import ParamsError

LIST_BEGINNING = struct.pack("<QQ", 0x112, 0)  # kMXAPINDArrayListMagic, then a reserved word
# The first u32 of an array; any other value is V0, where it is the number of dimensions.
ARRAY_MAGIC = {0xF993FAC8: "V1", 0xF993FAC9: "V2", 0xF993FACA: "V3"}
# mshadow's type flags (3rdparty/mshadow/mshadow/base.h), by position.
DTYPES: tuple[np.dtype, ...] = (
    *(np.dtype(t) for t in ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?")),
    *(np.dtype(t) for t in ("<i2", "<u2", "<u4", "<u8")),
    np.dtype(ml_dtypes.bfloat16),
)
STORAGE = {0: "dense", 1: "row_sparse", 2: "csr"}
MAX_BYTES = 2**63 - 1  # of one tensor; NumPy counts no further, not even around a zero
MAX_NDIM = 32  # MXNet itself stops at 32; a larger number is damage, not a tensor
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


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of the file. `offset` and `nbytes` are in bytes; data is C-contiguous."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    version: str


@dataclass(frozen=True)
class Index:
    """What is in a `.params` file. `tensors` keeps the order of the file; no weight was read."""

    path: Path
    size: int
    tensors: Mapping[str, TensorEntry]

    @property
    def versions(self) -> tuple[str, ...]:
        """The array versions met in the file (`V0` … `V3`), sorted."""
        return tuple(sorted({entry.version for entry in self.tensors.values()}))


class _Reader:
    """A bounded cursor: every length is checked against what is left of the file."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self._file, self.size, self._path = file, size, path
        self.position = 0
        self.where = "header"

    def fail(self, what: str) -> ParamsError:
        return ParamsError(f"{self._path}: {self.where}, byte {self.position}: {what}")

    def need(self, count: int, what: str) -> None:
        left = self.size - self.position
        if count > left:
            raise self.fail(
                f"truncated: {what} needs {count} bytes, {left} are left. "
                "Fetch or copy the file again and compare its size with the original's."
            )

    def unpack(self, layout: str, what: str) -> tuple[int, ...]:
        count = struct.calcsize("<" + layout)
        return struct.unpack("<" + layout, self.bytes(count, what))

    def bytes(self, count: int, what: str) -> bytes:
        self.need(count, what)
        data = self._file.read(count)
        if len(data) != count:
            raise self.fail("the file became shorter while it was read")
        self.position += count
        return data

    def skip(self, count: int, what: str) -> None:
        self.need(count, what)
        self.position += count
        self._file.seek(self.position)


def read_index(path: str | os.PathLike[str]) -> Index:
    """Read names, dtypes, shapes and byte ranges; cost and memory do not depend on the weights.

    Raises `ParamsError` (file, place, byte, what to do) for anything that is not a whole
    list of dense tensors. Unnamed lists get their position as name, `"0"`, `"1"`, ….
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise ParamsError(f"{path}: is {kind}; name the .params file itself")
        with path.open("rb") as file:
            _check_beginning(file.read(64), path, status.st_size)
            file.seek(0)
            return _read_list(_Reader(file, status.st_size, path), path)
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # a path with a null character
        raise ParamsError(f"{str(path)!r}: {error}") from error


def _check_beginning(beginning: bytes, path: Path, size: int) -> None:
    """Say what the file is when it is no list of MXNet arrays."""
    if not beginning:
        raise ParamsError(f"{path}: is empty. The download may have failed: fetch it again.")
    if beginning.startswith(LIST_BEGINNING[:size]):
        if size < 24:
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


def _read_list(reader: _Reader, path: Path) -> Index:
    reader.skip(len(LIST_BEGINNING), "the list header")
    (count,) = reader.unpack("Q", "the list header")
    # An array has at least a version and a dimension count: no count can outrun the file.
    if count * 8 > reader.size:
        raise reader.fail(f"damaged header: {count} tensors cannot stand in {reader.size} bytes")
    unnamed = []
    for number in range(count):
        reader.where = f"tensor {number + 1} of {count}"
        unnamed.append(_read_array(reader))
    names = _read_names(reader, count)
    if reader.position != reader.size:
        raise reader.fail(f"{reader.size - reader.position} bytes stand after the end of the list")
    tensors = {name: TensorEntry(name, *array) for name, array in zip(names, unnamed, strict=True)}
    return Index(path, reader.size, tensors)


def _read_array(reader: _Reader) -> tuple[np.dtype, tuple[int, ...], int, int, str]:
    (first,) = reader.unpack("I", "an array")
    version = ARRAY_MAGIC.get(first, "V0")
    if version in ("V2", "V3"):
        (storage,) = reader.unpack("i", "the storage type")
        if storage != 0:
            kind = STORAGE.get(storage)
            raise reader.fail(
                f"its storage is {kind} (sparse), which is not read: save it densely with "
                "`array.tostype('default')`"
                if kind
                else f"damaged: storage type {storage}"
            )
    shape = _read_shape(reader, version, first)
    _read_context(reader)
    (flag,) = reader.unpack("i", "the dtype")
    if not 0 <= flag < len(DTYPES):
        raise reader.fail(f"damaged: dtype flag {flag} (0 to {len(DTYPES) - 1} exist)")
    dtype = DTYPES[flag]
    if math.prod(size for size in shape if size) * dtype.itemsize > MAX_BYTES:
        raise reader.fail(f"damaged: the shape {shape} is too large for any tensor")
    nbytes = math.prod(shape) * dtype.itemsize
    offset = reader.position
    reader.skip(nbytes, f"{dtype.name} data of shape {shape}")
    return dtype, shape, offset, nbytes, version


def _read_shape(reader: _Reader, version: str, first: int) -> tuple[int, ...]:
    ndim = first if version == "V0" else reader.unpack("i", "the number of dimensions")[0]
    if not -1 <= ndim <= MAX_NDIM:
        raise reader.fail(f"damaged: {ndim} dimensions (or not an array of MXNet)")
    if ndim == -1 or (ndim == 0 and version != "V3"):
        raise reader.fail("it holds no array (a parameter saved before it was initialised)")
    shape = reader.unpack(f"{ndim}{'I' if version == 'V0' else 'q'}", "the shape")
    if any(size < 0 for size in shape):
        raise reader.fail(f"damaged: negative size in shape {shape}")
    return shape


def _read_context(reader: _Reader) -> None:
    # The device the array was saved from (1 cpu, 2 gpu, 3 pinned, 5 shared): the bytes are equal.
    device, _ = reader.unpack("ii", "the context")
    if device not in (1, 2, 3, 5):
        raise reader.fail(f"damaged: device type {device}")


def _read_names(reader: _Reader, count: int) -> list[str]:
    reader.where = "names"
    (names_count,) = reader.unpack("Q", "the number of names")
    if names_count == 0:
        return [str(number) for number in range(count)]
    if names_count != count:
        raise reader.fail(f"damaged: {names_count} names for {count} tensors")
    names: dict[str, None] = {}
    for number in range(count):
        reader.where = f"name {number + 1} of {count}"
        (length,) = reader.unpack("Q", "the length of a name")
        try:
            name = reader.bytes(length, "a name").decode()
        except UnicodeDecodeError as error:
            raise reader.fail("the name is not UTF-8") from error
        if name in names:
            raise reader.fail(f"the name {name!r} stands twice")
        names[name] = None
    return list(names)
