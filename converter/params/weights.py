"""The bytes of the tensors of an index, read in pieces: one small buffer, whatever the size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import numpy as np

from converter.errors import ParamsError, safe
from converter.params.entries import Block, Index, TensorEntry, array_of, need_dense
from converter.params.inflate import Packed, PackedError, PackedFile
from converter.params.sparse import make_dense

PIECE = 256 * 1024  # bytes: what stays in the CPU's cache is copied fastest


class Weights:
    """An open source file: a context manager that gives the bytes of its tensors.

    densify: `pieces` makes sparse tensors dense, one at a time, instead of refusing them.

    Raises `ParamsError` when the file is no longer what it was when the index was read.
    """

    def __init__(self, index: Index, *, densify: bool = False) -> None:
        self._index, self._densify = index, densify
        self._file = index.path.open("rb", buffering=0)
        if os.fstat(self._file.fileno()).st_size != index.size:
            self._file.close()
            raise ParamsError(f"{index.path}: the file changed while it was read; start again")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def pieces(
        self, entry: TensorEntry, start: int = 0, stop: int | None = None
    ) -> Iterator[memoryview]:
        """The dense tensor's bytes in order, little-endian, rows first, whatever the container.

        start, stop: the bytes that are wanted, by default all; on the bounds of values. Each piece
        is valid until the next one is asked for. Raises `ParamsError`, by name, for an entry
        without array, and for a sparse tensor unless it may be made dense.
        """
        sparse = entry.storage in ("row_sparse", "csr")
        if not (sparse and self._densify):
            need_dense(self._index, entry)
        if entry.fortran or sparse:  # its bytes are in another order: it has to be held whole
            data = self.dense(entry).reshape(-1).view(np.uint8).data[start:stop]
            yield from (data[at : at + PIECE] for at in range(0, len(data), PIECE))
            return
        yield from self.stored(entry, start, stop)

    def stored(
        self, entry: TensorEntry, start: int = 0, stop: int | None = None
    ) -> Iterator[memoryview]:
        """The bytes of the data as the file has it: of a sparse tensor, its values alone."""
        file = self._open(entry.packed)
        stop = entry.nbytes if stop is None else stop
        buffer = memoryview(bytearray(min(PIECE, stop - start)))
        for at in range(start, stop, PIECE):
            piece = buffer[: min(PIECE, stop - at)]
            self._read_into(file, entry.offset + at, piece, entry.name)
            yield _swapped(piece, entry) if entry.swapped else piece

    def whole(self, entry: TensorEntry) -> np.ndarray:
        """The dense tensor as an array of its own, for a operation that cannot do with pieces."""
        need_dense(self._index, entry)
        data = self._block(entry, entry)
        if entry.swapped:
            data = _swapped(data, entry)
        if entry.fortran:
            columns = array_of(data, entry.dtype, entry.shape[::-1])
            return np.ascontiguousarray(columns.transpose())
        return array_of(data, entry.dtype, entry.shape)

    def dense(self, entry: TensorEntry) -> np.ndarray:
        """Any tensor as a dense array; a sparse one takes `entry.dense_nbytes` of memory.

        That can be far more than the file has: look before you call. Raises `ParamsError` when
        the sparse tensor is not what MXNet would accept.
        """
        if entry.storage in ("dense", "none"):
            return self.whole(entry)
        data = self._block(entry, entry)
        values = array_of(data, entry.dtype, entry.stored_shape)
        aux = [self._aux(entry, block) for block in entry.aux]
        try:
            return make_dense(entry, values, aux)
        except ValueError as error:
            raise ParamsError(
                f"{self._index.path}: {safe(entry.name)}: cannot be made dense: {error}"
            ) from error

    def _aux(self, entry: TensorEntry, block: Block) -> np.ndarray:
        return array_of(self._block(entry, block), block.dtype, block.shape)

    def _block(self, entry: TensorEntry, block: Block | TensorEntry) -> memoryview:
        data = np.empty(block.nbytes, np.uint8).data  # a bytearray would be filled with zeros first
        self._read_into(self._open(block.packed), block.offset, data, entry.name)
        return data

    def _open(self, packed: Packed | None) -> BinaryIO:
        """What offsets count in; every caller goes through a stream at its own pace."""
        return self._file if packed is None else cast(BinaryIO, PackedFile(self._file, packed))

    def _read_into(self, file: BinaryIO, offset: int, buffer: memoryview, name: str) -> None:
        try:
            file.seek(offset)
            while buffer:
                count = file.readinto(buffer)  # type: ignore[attr-defined]  # BinaryIO lacks it
                if not count:
                    raise ParamsError(
                        f"{self._index.path}: became shorter while it was read; copy it again"
                    )
                buffer = buffer[count:]
        except PackedError as error:
            raise ParamsError(f"{self._index.path}: {safe(name)}: {error}") from error


def _swapped(data: memoryview, entry: TensorEntry) -> memoryview:
    """Big-endian numbers as little-endian ones."""
    return np.frombuffer(data, f"u{entry.dtype.itemsize}").byteswap().view(np.uint8).data


def state_of(path: Path) -> tuple[int, ...] | None:
    """What changes when someone writes to a file, or puts another in its place."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None  # reading it says why
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_unchanged(source: Path, before: tuple[int, ...] | None) -> None:
    """Raise `ParamsError` when `source` is not what `state_of` saw before."""
    if state_of(source) != before:
        raise ParamsError(
            f"{source}: changed while it was read; nothing was written. "
            "Start again when nothing else writes to it."
        )
