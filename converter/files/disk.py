"""One new file on the disk: its room is claimed first, and a full disk is said in words."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from converter.errors import WriteError

NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a limit on the size of files is in the way (`ulimit -f`, or the file system)",
}


FLUSHED = 8 * 1024 * 1024  # bytes; measured: 1 to 32 MiB do alike, none at all costs twice as much
SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h


class Flusher:
    """Lets the disk begin with what is written: the `fsync` in the end then has less to do.

    It waits for nothing and promises nothing: where the system has no such call, it does nothing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor, self._begun, self._end = file.fileno(), 0, 0
        self._begin = None
        if sys.platform == "linux":
            self._begin = getattr(ctypes.CDLL(None), "sync_file_range", None)
        if self._begin:
            self._begin.argtypes = ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint

    def wrote(self, count: int) -> None:
        """So many bytes more are written."""
        self._end += count
        if self._begin and self._end - self._begun >= FLUSHED:
            args = self._descriptor, self._begun, self._end - self._begun, SYNC_FILE_RANGE_WRITE
            self._begin(*args)
            self._begun = self._end


@contextmanager
def new_file(path: Path, size: int) -> Iterator[BinaryIO]:
    """Open the new file `path`, of at least `size` bytes in the end, for writing from its start.

    Raises `WriteError` when there is no room, before a byte is written where the system can
    tell, and `OSError` for anything else that the system refuses.
    """
    try:
        with path.open("wb") as file:
            _reserve(file, size)
            yield file
    except OSError as error:
        if error.errno in NO_ROOM:
            raise WriteError(
                f"{path.parent.parent}: {NO_ROOM[error.errno]}: {size:,} bytes are needed; "
                "nothing was written"
            ) from error
        raise


def _reserve(file: BinaryIO, size: int) -> None:
    """Claim the whole size first: a full disk is refused before a byte is written."""
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            # a file system that cannot reserve: it will say so while writing
