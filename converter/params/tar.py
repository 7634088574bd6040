"""The members of a tar archive: names to show, and where their bytes are. POSIX pax and GNU.

Python's tarfile holds whole headers in memory and follows what they say; this reads 512 bytes at
a time, and looks at regular files alone: links, devices and directories are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from converter.errors import ParamsError, safe

BLOCK = 512
MAX_HEADERS = 2**13  # of members, links and long names: a model's archive has some ten files
MAX_TEXT = 2**12  # bytes of a long name, or of pax records, that are read: the longest path
REGULAR = (b"0", b"\0", b"7")
WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, directories, pipes


def is_tar(head: bytes) -> bool:
    """Whether a file begins with a tar header: its checksum tells."""
    return len(head) >= BLOCK and _checksum_fits(head[:BLOCK])


def tar_members(file: BinaryIO, start: int, end: int, path: Path) -> Iterator[tuple[str, int, int]]:
    """(name, place, size) of every regular file in the archive from `start` to `end`."""
    position, long_name, pax, count = start, "", dict[str, str](), 0
    while (header := _read(file, position, BLOCK)).strip(b"\0"):
        if len(header) < BLOCK or not _checksum_fits(header):
            raise ParamsError(
                f"{path}: the tar archive is truncated or damaged at byte {position}.\n"
                "Fetch or copy it again, and compare its size with the original's."
            )
        count += 1
        if count > MAX_HEADERS:
            raise ParamsError(
                f"{path}: a tar archive of more than {MAX_HEADERS:,} members: no model has so many."
                "\nUnpack the .params file, and give that."
            )
        kind = header[156:157]
        size = 0 if kind in WITHOUT_DATA else _number(pax.get("size"), header[124:136], path)
        place = position + BLOCK
        if place + size > end:
            raise ParamsError(
                f"{path}: truncated: {place + size - end} bytes of {safe(_name(header))} "
                "are missing.\n"
                "Fetch or copy it again, and compare its size with the original's."
            )
        if kind == b"L" and size <= MAX_TEXT:
            long_name = _read(file, place, size).split(b"\0")[0].decode("utf-8", "surrogateescape")
        elif kind == b"x" and size <= MAX_TEXT:
            pax = _records(_read(file, place, size))
        elif kind not in (b"L", b"K", b"x", b"g"):
            if kind in REGULAR:
                yield pax.get("path") or long_name or _name(header), place, size
            long_name, pax = "", {}
        position = place + -(-size // BLOCK) * BLOCK
        if position >= end:
            return


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    data = b""
    while len(data) < count and (more := file.read(count - len(data))):
        data += more
    return data


def _checksum_fits(header: bytes) -> bool:
    try:
        stated = int(header[148:156].split(b"\0")[0].strip() or b"-1", 8)
    except ValueError:
        return False
    return stated == sum(header[:148]) + 8 * 0x20 + sum(header[156:BLOCK])


def _number(text: str | None, field: bytes, path: Path) -> int:
    """A size: pax's decimal, GNU's base 256 for large ones, or octal digits."""
    try:
        if text is not None:
            size = int(text)
        elif field[0] & 0x80:
            size = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        else:
            size = int(field.split(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        size = -1
    if size < 0:
        raise ParamsError(f"{path}: the tar archive is damaged: a size is {(text or field)[:40]!r}")
    return size


def _name(header: bytes) -> str:
    parts = [header[:100]]
    if header[257:263] == b"ustar\0":
        parts.insert(0, header[345:500])
    texts = [part.split(b"\0")[0].decode("utf-8", "surrogateescape") for part in parts]
    return "/".join(text for text in texts if text)


def _records(data: bytes) -> dict[str, str]:
    """Records of pax, each `length key=value` and a newline; what is damaged ends them."""
    found: dict[str, str] = {}
    while data:
        digits, space, _ = data.partition(b" ")
        if not space or len(digits) > 8 or not digits.isdigit():
            return found
        length = int(digits)
        record, data = data[len(digits) + 1 : length], data[length:]
        key, equals, value = record.rstrip(b"\n").partition(b"=")
        if not equals:
            return found
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
    return found
