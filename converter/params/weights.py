"""The bytes of the tensors of an index, read in pieces: one small buffer, whatever the size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from converter.errors import ParamsError
from converter.params.index import Index, TensorEntry

PIECE = 256 * 1024  # bytes: what stays in the CPU's cache is copied fastest


class Weights:
    """An open source file: a context manager that gives the bytes of its tensors.

    Raises `ParamsError` when the file is no longer what it was when the index was read.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
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

    def pieces(self, entry: TensorEntry) -> Iterator[memoryview]:
        """The tensor's bytes in order; each piece is valid until the next one is asked for."""
        buffer = memoryview(bytearray(min(PIECE, entry.nbytes)))
        for start in range(0, entry.nbytes, PIECE):
            piece = buffer[: min(PIECE, entry.nbytes - start)]
            self._read_into(entry.offset + start, piece)
            yield piece

    def whole(self, entry: TensorEntry) -> np.ndarray:
        """The tensor as an array of its own, for a verb that cannot do with pieces."""
        data = bytearray(entry.nbytes)
        self._read_into(entry.offset, memoryview(data))
        return np.frombuffer(data, entry.dtype).reshape(entry.shape)

    def _read_into(self, offset: int, buffer: memoryview) -> None:
        self._file.seek(offset)
        while buffer:
            count = self._file.readinto(buffer)
            if not count:
                raise ParamsError(
                    f"{self._index.path}: became shorter while it was read; copy it again"
                )
            buffer = buffer[count:]
