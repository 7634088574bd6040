"""MXNet's list of arrays: names, dtypes, shapes and byte ranges, read without the weights.

Sources: MXNet 1.9.1 `src/ndarray/ndarray.cc` (`NDArray::Save`, `Load`, `LegacyLoad`),
`include/mxnet/tuple.h`, dmlc-core's serializer. Everything is little-endian.
"""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import BinaryIO

from converter.errors import ParamsError
from converter.params.entries import DTYPES, NOTHING, Block, TensorEntry, byte_count
from converter.params.inflate import Packed

LIST_BEGINNING = struct.pack("<QQ", 0x112, 0)  # kMXAPINDArrayListMagic, then a reserved word
HEADER = 24  # bytes: the beginning and the number of arrays
# The first u32 of an array; any other value is V0, where it is the number of dimensions.
ARRAY_MAGIC = {0xF993FAC8: "V1", 0xF993FAC9: "V2", 0xF993FACA: "V3"}
STORAGE = {0: "dense", 1: "row_sparse", 2: "csr"}
AUX = {"dense": 0, "row_sparse": 1, "csr": 2}  # MXNet's num_aux_data
MAX_TENSORS = 2**16  # an entry costs 50 times the least it has in a file: this bounds memory
MAX_NAMES = 2**24  # bytes of all names; those of the largest models have 2**17
MAX_NDIM = 32  # MXNet itself stops at 32; a larger number is damage, not a tensor


class _Reader:
    """A bounded cursor: every length is checked against what is left of the list."""

    def __init__(self, file: BinaryIO, start: int, end: int, path: Path) -> None:
        self._file, self._path = file, path
        self.start, self.position, self.end = start, start, end
        self.where = "header"
        file.seek(start)

    def fail(self, what: str) -> ParamsError:
        return ParamsError(f"{self._path}: {self.where}, byte {self.position}: {what}")

    def need(self, count: int, what: str) -> None:
        left = self.end - self.position
        if count > left:
            raise self.fail(
                f"truncated: {what} needs {count} bytes, {left} are left "
                f"({count - left} or more are missing). "
                "Fetch or copy the file again and compare its size with the original's."
            )

    def unpack(self, layout: str, what: str) -> tuple[int, ...]:
        count = struct.calcsize("<" + layout)
        return struct.unpack("<" + layout, self.bytes(count, what))

    def bytes(self, count: int, what: str) -> bytes:
        self.need(count, what)
        data = self._file.read(count)
        while len(data) < count and (more := self._file.read(count - len(data))):
            data += more
        if len(data) != count:
            raise self.fail("the file became shorter while it was read")
        self.position += count
        return data

    def skip(self, count: int, what: str) -> None:
        self.need(count, what)
        self.position += count
        self._file.seek(self.position)


def read_list(
    file: BinaryIO, start: int, end: int, path: Path, packed: Packed | None = None
) -> dict[str, TensorEntry]:
    """The tensors of the list that fills `file` from `start` to `end`.

    Unnamed lists get their position as name, `"0"`, `"1"`, …; names that are not UTF-8 keep
    their bytes (`name.encode("utf-8", "surrogateescape")` gives them back).
    """
    reader = _Reader(file, start, end, path)
    reader.skip(len(LIST_BEGINNING), "the list header")
    (count,) = reader.unpack("Q", "the list header")
    # An array has at least a version and a dimension count: no count can outrun the file.
    size = end - start
    if count * 8 > size:
        raise reader.fail(f"damaged header: {count} tensors do not fit in {size} bytes")
    if count > MAX_TENSORS:
        raise reader.fail(f"{count} tensors are more than any model has ({MAX_TENSORS} are read)")
    entries = []
    for number in range(count):
        reader.where = f"tensor {number + 1} of {count}"
        entries.append(_read_array(reader, packed))
    names = _read_names(reader, count)
    if reader.position != end:
        raise reader.fail(f"{end - reader.position} bytes are left after the end of the list")
    return {
        name: dataclasses.replace(entry, name=name)
        for name, entry in zip(names, entries, strict=True)
    }


def _read_array(reader: _Reader, packed: Packed | None) -> TensorEntry:
    """One array, still without its name: names come after all arrays."""
    (first,) = reader.unpack("I", "an array")
    version = ARRAY_MAGIC.get(first, "V0")
    storage, stored = "dense", None
    if version in ("V2", "V3"):
        (code,) = reader.unpack("i", "the storage type")
        if code not in STORAGE or (code and version == "V3"):  # Save refuses sparse V3
            raise reader.fail(f"damaged: storage type {code} (in {version})")
        storage = STORAGE[code]
        if storage != "dense":
            stored = _read_shape(reader, version)
    shape = _read_shape(reader, version, first if version == "V0" else None)
    if shape is None:
        return TensorEntry(
            "", NOTHING, (), reader.position, 0, version, storage="none", packed=packed
        )
    _read_context(reader)
    flag = _read_flag(reader)
    headers = [_aux_header(reader, version) for _ in range(AUX[storage])]
    data = _block(reader, flag, shape if storage == "dense" else stored or (0,))
    aux = tuple(_block(reader, *header) for header in headers)
    dtype = DTYPES[flag]
    if byte_count(shape, dtype) is None:
        raise reader.fail(f"damaged: the shape {shape} is too large for any tensor")
    return TensorEntry(
        *("", dtype, shape, data.offset, data.nbytes, version, storage),
        stored_shape=data.shape if aux else (),
        aux=aux,
        packed=packed,
    )


def _aux_header(reader: _Reader, version: str) -> tuple[int, tuple[int, ...]]:
    flag = _read_flag(reader)
    return flag, _read_shape(reader, version) or (0,)


def _block(reader: _Reader, flag: int, shape: tuple[int, ...]) -> Block:
    dtype = DTYPES[flag]
    nbytes = byte_count(shape, dtype)
    if nbytes is None:
        raise reader.fail(f"damaged: the shape {shape} is too large for any tensor")
    offset = reader.position
    reader.skip(nbytes, f"{dtype.name} data of shape {shape}")
    return Block(dtype, shape, offset, nbytes)


def _read_shape(reader: _Reader, version: str, ndim: int | None = None) -> tuple[int, ...] | None:
    """A shape, or None for 'no array': no dimension before V3, an unknown number or size in V3."""
    if ndim is None:
        (ndim,) = reader.unpack("i", "the number of dimensions")
    if not (-1 if version == "V3" else 0) <= ndim <= MAX_NDIM:
        raise reader.fail(f"damaged: {ndim} dimensions (or not an array of MXNet)")
    if ndim == -1 or (ndim == 0 and version != "V3"):
        return None
    shape = reader.unpack(f"{ndim}{'I' if version == 'V0' else 'q'}", "the shape")
    if version == "V3" and min(shape, default=0) == -1:
        return None
    if any(size < 0 for size in shape):
        raise reader.fail(f"damaged: negative size in shape {shape}")
    return shape


def _read_flag(reader: _Reader) -> int:
    (flag,) = reader.unpack("i", "the dtype")
    if not 0 <= flag < len(DTYPES):
        raise reader.fail(f"damaged: dtype flag {flag} (0 to {len(DTYPES) - 1} exist)")
    return flag


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
    if reader.end - reader.position > MAX_NAMES:
        raise reader.fail(
            f"the names have {reader.end - reader.position:,} bytes, and those of no model more "
            f"than {MAX_NAMES:,}: damaged, or no file of a model"
        )
    names: dict[str, None] = {}
    for number in range(count):
        reader.where = f"name {number + 1} of {count}"
        (length,) = reader.unpack("Q", "the length of a name")
        name = reader.bytes(length, "a name").decode("utf-8", "surrogateescape")
        if name in names:
            raise reader.fail(f"the name {name!r} is a duplicate")
        names[name] = None
    return list(names)
