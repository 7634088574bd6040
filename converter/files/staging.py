"""A destination that appears whole, by one rename, or not at all.

Work happens in `.<name>.bort-convert/` beside the destination:

    lock   held by the running conversion; the system frees it when the process dies
    new/   what is being written: the directory itself, or a file in it
    old/   the replaced directory, for the moment between two renames (only where the system
           cannot exchange two directories in one step)

A kill leaves that directory behind; the next run into the same destination puts `old/` back if
the destination is gone, and removes the rest.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from converter.errors import WriteError

RECORD_FILE = (
    "conversion.json"  # a directory with this file in it was written here, and may be replaced
)
AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP = -100, 2, 2  # linux/fs.h; macOS sys/stdio.h


class Staging:
    """The directory to fill, or the file to make (`path`), and the way to publish it (`commit`)."""

    def __init__(self, destination: Path, area: Path, *, file: bool, force: bool) -> None:
        self.path = area / "new" / "file" if file else area / "new"
        self._destination, self._area, self._file, self._force = destination, area, file, force

    def commit(self) -> None:
        """Make everything durable, then let the destination appear by one rename.

        The destination is looked at once more: someone may have put files there meanwhile.
        """
        for file in [self.path] if self._file else self.path.rglob("*"):
            if file.is_file():
                _sync(file)
        _sync_directory(self._area / "new")
        _check(self._destination, file=self._file, force=self._force)
        if self._file:
            os.replace(self.path, self._destination)
        elif not self._destination.exists():
            os.rename(self.path, self._destination)
        elif not _exchange(self.path, self._destination):
            os.rename(self._destination, self._area / "old")
            os.rename(self.path, self._destination)  # if not: `_tidy` puts old/ back
        _sync_directory(self._destination.parent)


@contextmanager
def staging(
    destination: str | os.PathLike[str], *, file: bool = False, force: bool = False
) -> Iterator[Staging]:
    """Give a fresh directory beside `destination`; remove it on the way out, committed or not.

    `file`: the destination is a file, not a directory. `force` allows the replacement of a
    directory that this program wrote, or of any regular file. Raises `WriteError` when the
    destination exists otherwise, cannot be made, or is being written by another run.
    """
    target = Path(os.path.realpath(destination))
    if not target.parent.is_dir():
        raise WriteError(f"{target.parent}: there is no such directory; create it first")
    area = target.parent / f".{target.name}.bort-convert"
    try:
        if not area.exists():
            _check(target, file=file, force=force)
        area.mkdir(exist_ok=True)
        lock = FileLock(area / "lock")
        lock.acquire(timeout=0.5, poll_interval=0.05)
    except Timeout as error:
        raise WriteError(f"{target}: another conversion is writing it; wait for its end") from error
    except (OSError, NotImplementedError) as error:  # filelock: a file system without locks
        raise _write_error(target, error) from error
    try:
        _tidy(target, area)
        _check(target, file=file, force=force)
        (area / "new").mkdir()
        yield Staging(target, area, file=file, force=force)
    except OSError as error:
        raise _write_error(target, error) from error
    finally:
        _leave(target, area, lock)


def _check(destination: Path, *, file: bool, force: bool) -> None:
    """Refuse a destination that may not be replaced, or not without `force`."""
    if os.path.lexists(destination):
        (_check_file if file else _check_directory)(destination, force)


def _check_file(destination: Path, force: bool) -> None:
    """Only a regular file can be replaced."""
    if not destination.is_file():
        kind = "a directory" if destination.is_dir() else "not a regular file"
        raise WriteError(f"{destination}: is {kind}; name a file to write")
    if not force:
        raise WriteError(f"{destination}: exists; choose another name, or --force to replace it")


def _check_directory(destination: Path, force: bool) -> None:
    """A destination that holds something: only our own directories can be replaced."""
    if not destination.is_dir():
        raise WriteError(f"{destination}: exists and is not a directory; choose another --dst")
    if os.path.ismount(destination):
        raise WriteError(
            f"{destination}: is a mount point, and no rename can replace one; "
            "choose a new directory in it"
        )
    empty = not any(destination.iterdir())
    if empty or (force and (destination / RECORD_FILE).is_file()):
        return
    if force:
        raise WriteError(
            f"{destination}: exists and was not written by bort-convert (it has no {RECORD_FILE}); "
            "--force replaces only what it wrote itself: remove it yourself or choose another --dst"
        )
    raise WriteError(f"{destination}: exists; choose another --dst, or --force to replace it")


def _tidy(destination: Path, area: Path) -> None:
    """What a killed or failed run left: `old/` goes back if there is no other, the rest goes."""
    if (area / "old").exists() and not os.path.lexists(destination):
        os.rename(area / "old", destination)
    for name in ("new", "old"):
        if (area / name).exists():
            shutil.rmtree(area / name)


def _leave(destination: Path, area: Path, lock: FileLock) -> None:
    """Leave nothing. The lock file goes while it is held, so that nobody else can hold it too."""
    with suppress(OSError):
        _tidy(destination, area)
    with suppress(OSError):  # Windows cannot remove an open file: then after the release
        (area / "lock").unlink()
        area.rmdir()
    lock.release()
    with suppress(OSError):
        if os.name == "nt":
            (area / "lock").unlink()
        area.rmdir()


def _exchange(first: Path, second: Path) -> bool:
    """Swap two directories in one step where the system can (Linux renameat2, macOS renamex_np)."""
    names = os.fsencode(first), os.fsencode(second)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            done = libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)
        elif sys.platform == "darwin":
            done = libc.renamex_np(*names, RENAME_SWAP)
        else:
            return False
    except (AttributeError, OSError, TypeError):  # no such call here: two renames do it
        return False
    return bool(done == 0)


def _sync(path: Path) -> None:
    """Flush a file to the disk, so that the rename never outruns the data."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    """Flush the names in a directory, where the system can: Windows and some file systems cannot.

    A failure here loses nothing but time: what the rename shows is whole either way.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_error(destination: Path, error: Exception) -> WriteError:
    place = getattr(error, "filename", None) or destination
    reason = getattr(error, "strerror", None) or error
    return WriteError(f"{place}: {reason}; nothing was written to {destination}")
