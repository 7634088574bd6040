"""Compressed streams read at any place, in bounded memory: gzip, and the members of a ZIP.

A pass over the stream keeps the state of zlib every so often; reading resumes from the nearest.
"""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, BinaryIO

PIECE = 64 * 1024  # bytes that are fed to zlib, or taken from it, at once
FIRST = 1024  # bytes that are fed to zlib first: a gzip file may be many tiny streams
SPACING = 1024 * 1024  # unpacked bytes between two marks, at first
MAX_MARKS = 128  # of about 50 kB each; then every other one is dropped
# deflate itself reaches 1,032: 1. Weights stay below 2: 1; a fresh model's zeros may be more.
MAX_RATIO = 200
FREE = 16 * 1024 * 1024  # unpacked bytes that need no ratio
# Beyond `LARGE` unpacked bytes a higher ratio would cost minutes, and no trained weights have it
LARGE, LARGE_RATIO = 2**29, 4
# The gzip streams of one file: so many, and one more for so many bytes of it (bgzip: 64 kB each)
STREAMS, STREAM = 1024, 4096
GZIP, DEFLATE = 31, -15  # zlib's `wbits`


class PackedError(Exception):
    """The stream is damaged, cut, or a bomb; who knows the file's name tells it to the user."""


@dataclass(frozen=True, eq=False)
class Mark:
    """A place to resume at: `position` unpacked bytes are before it, `consumed` packed ones."""

    position: int
    consumed: int
    state: Any
    crc: int


@dataclass(frozen=True, eq=False)
class Packed:
    """Where a compressed stream is in the file: `size` bytes from `start`; `length` unpacked.

    crc: of the unpacked bytes, where the container tells it (gzip checks its own)
    """

    start: int
    size: int
    wbits: int
    length: int
    crc: int | None = None
    marks: tuple[Mark, ...] = ()


def limit(size: int) -> int:
    """The most that `size` packed bytes may become."""
    return FREE + min(MAX_RATIO * size, LARGE + LARGE_RATIO * size)


def scan(file: BinaryIO, packed: Packed) -> Packed:
    """Read the stream once to its end: its checksum and length are checked, and marks kept."""
    marks: list[Mark] = []
    spacing = SPACING
    cursor = _Cursor(file, packed, None)
    while cursor.step():
        if not cursor.ended and cursor.position >= (marks[-1].position if marks else 0) + spacing:
            marks.append(cursor.mark())
            if len(marks) > MAX_MARKS:
                del marks[::2]
                spacing *= 2
    return Packed(
        packed.start, packed.size, packed.wbits, cursor.position, packed.crc, tuple(marks)
    )


class PackedFile(io.RawIOBase):
    """The unpacked bytes of a stream, as a file that can be read and sought in."""

    def __init__(self, file: BinaryIO, packed: Packed) -> None:
        self._file, self._packed = file, packed
        self._position = 0
        self._cursor = _Cursor(file, packed, None)
        self._held = memoryview(b"")  # unpacked, and from `_position` on when it is not empty

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("seek from the beginning alone")
        ahead = offset - self._position
        self._held = self._held[ahead:] if 0 <= ahead < len(self._held) else memoryview(b"")
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        if not self._held:
            self._approach()
        count = min(len(target), len(self._held))
        target[:count] = self._held[:count]
        self._held = self._held[count:]
        self._position += count
        return count

    def _approach(self) -> None:
        """Unpack until the bytes at `_position` are held; nothing is held at the end."""
        marks = self._packed.marks
        number = bisect_right(marks, self._position, key=lambda mark: mark.position)
        nearest = marks[number - 1] if number else None
        at = self._cursor.position
        if self._position < at or (nearest and nearest.position > at):
            self._cursor = _Cursor(self._file, self._packed, nearest)
        while True:
            begin = self._cursor.position
            data = self._cursor.step()
            if not data or begin + len(data) > self._position:
                self._held = memoryview(data)[max(0, self._position - begin) :]
                return


class _Cursor:
    """zlib at one place of the stream; `step` gives what comes next, b"" at the end."""

    def __init__(self, file: BinaryIO, packed: Packed, mark: Mark | None) -> None:
        self._file, self._packed = file, packed
        if mark:
            self._zlib, self._crc = mark.state.copy(), mark.crc
            self.position, self._consumed = mark.position, mark.consumed
        else:
            self._zlib, self._crc = zlib.decompressobj(packed.wbits), 0
            self.position, self._consumed = 0, 0
        self._most = min(packed.length, limit(packed.size))
        self._chunk = FIRST
        self._streams_left = STREAMS + packed.size // STREAM

    @property
    def ended(self) -> bool:
        return bool(self._zlib.eof)

    def mark(self) -> Mark:
        return Mark(self.position, self._consumed, self._zlib.copy(), self._crc)

    def step(self) -> bytes:
        try:
            return self._step()
        except zlib.error as error:
            raise PackedError(f"the compressed stream is damaged: {error}") from error

    def _step(self) -> bytes:
        while not self._zlib.eof:
            data = self._input()
            out = self._zlib.decompress(data, PIECE)
            self._consumed += len(data) - len(self._zlib.unconsumed_tail or self._zlib.unused_data)
            if not (data or out or self._zlib.eof):
                raise PackedError(
                    f"truncated: the compressed stream ends after {self.position:,} unpacked "
                    "bytes. Fetch or copy the file again"
                )
            if self._zlib.eof:
                self._next_stream()
            if out:
                return self._checked(out)
        self._check_end()
        return b""

    def _input(self) -> bytes:
        self._file.seek(self._packed.start + self._consumed)
        data = self._file.read(min(self._chunk, self._packed.size - self._consumed))
        self._chunk = min(PIECE, self._chunk * 4)
        return data

    def _next_stream(self) -> None:
        """A gzip file may be several, one behind the other; zeros may fill its end."""
        while self._packed.wbits == GZIP and self._consumed < self._packed.size:
            data = self._input()
            if not data:
                return
            rest = data.lstrip(b"\0")
            self._consumed += len(data) - len(rest)
            if rest:
                if not rest.startswith(b"\x1f\x8b"):
                    raise PackedError("bytes are left after the end of the compressed stream")
                self._streams_left -= 1
                if self._streams_left < 0:
                    raise PackedError(
                        f"{self._packed.size:,} bytes hold too many gzip streams, one behind the "
                        "other, for weights. If you trust it, unpack it first"
                    )
                self._zlib, self._chunk = zlib.decompressobj(GZIP), FIRST
                return

    def _checked(self, out: bytes) -> bytes:
        self.position += len(out)
        if self.position > self._most:
            raise PackedError(
                f"{self._packed.size:,} compressed bytes become more than {self._most:,}: no "
                "weights do so (a decompression bomb?). If you trust it, unpack it first"
            )
        if self._packed.crc is not None:
            self._crc = zlib.crc32(out, self._crc)
            if self.position == self._packed.length and self._crc != self._packed.crc:
                raise PackedError("damaged: the checksum of a compressed member is wrong")
        return out

    def _check_end(self) -> None:
        packed = self._packed
        if packed.wbits == DEFLATE and (self.position, self._consumed) != (
            packed.length,
            packed.size,
        ):
            raise PackedError("damaged: the length of a compressed member is wrong")
