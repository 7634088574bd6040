"""A destination that appears whole, by one rename, or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from converter.errors import WriteError, safe
from converter.files.area import area_of, held_area
from converter.files.mounts import mounts_in

RECORD_FILE = (
    "conversion.json"  # a directory with this file in it was written here, and may be replaced
)
AT_FDCWD, RENAME_NOREPLACE, RENAME_EXCHANGE = -100, 1, 2  # linux/fs.h
RENAME_SWAP, RENAME_EXCL = 2, 4  # macOS sys/stdio.h
LISTED = 5
Foreign = Callable[[Path], Sequence[str]]


def nothing(_directory: Path) -> Sequence[str]:
    """No file of a directory is foreign."""
    return ()


class Staging:
    """The directory to fill, or the file to make (`path`), and the way to publish it (`commit`)."""

    def __init__(
        self, destination: Path, area: Path, *, file: bool, force: bool, foreign: Foreign
    ) -> None:
        self.path = area / "new" / "file" if file else area / "new"
        self._destination, self._area, self._file, self._force = destination, area, file, force
        self._foreign = foreign

    def commit(self) -> None:
        """Make everything durable, then let the destination appear by one rename.

        The destination is looked at once more: someone may have put files there meanwhile. What is
        replaced gives its permissions, and where the system lets it its owner, to what replaces it.
        """
        for file in [self.path] if self._file else self.path.rglob("*"):
            if file.is_file() and not file.is_symlink():
                _sync(file)
        _sync_directory(self._area / "new")
        there = self._destination
        kept = there.stat() if os.name == "posix" and there.exists() else None
        full = not self._file and there.is_dir() and any(there.iterdir())
        self._look()
        if kept:
            _take_over(self.path, kept)
        if self._file:
            self._publish_file()
        elif not full:  # and should it be by now, the rename fails
            self._publish_new()
        elif not _exchange(self.path, self._destination):
            os.rename(self._destination, self._area / "old")
            os.rename(self.path, self._destination)  # if not: the next run puts old/ back
        if kept and not self._file and ~kept.st_mode & stat.S_IRWXU:
            there.chmod(stat.S_IMODE(kept.st_mode))
        _sync_directory(self._destination.parent)

    def _look(self) -> None:
        _check(self._destination, file=self._file, force=self._force, foreign=self._foreign)

    def _publish_new(self) -> None:
        """By a rename, which replaces nothing but an empty directory."""
        try:
            if os.name == "nt" and self._destination.exists():  # there it replaces nothing at all
                self._destination.rmdir()
            os.rename(self.path, self._destination)
        except OSError:
            self._look()  # says what came meanwhile
            raise

    def _publish_file(self) -> None:
        """By a rename that replaces nothing unless it may, where the system has one."""
        if self._force:
            os.replace(self.path, self._destination)
            return
        try:
            if not _rename(self.path, self._destination, RENAME_NOREPLACE, RENAME_EXCL):
                os.link(self.path, self._destination)  # as good: it fails where something is
        except FileExistsError:
            self._look()
            raise
        except OSError:  # a file system without links: the check a moment ago has to do
            os.rename(self.path, self._destination)


@contextmanager
def staging(
    destination: str | os.PathLike[str],
    *,
    file: bool = False,
    force: bool = False,
    foreign: Foreign = nothing,
) -> Iterator[Staging]:
    """Give a fresh directory beside `destination`; remove it on the way out, committed or not.

    `file`: the destination is a file, not a directory. `force` allows the replacement of a
    directory that this program wrote, or of any regular file. `foreign` names what is in a
    directory that this program did not write: then it is not replaced. Raises `WriteError` when
    the destination exists otherwise, cannot be made, or is being written by another run.
    """
    target = Path(os.path.realpath(destination))
    try:
        if not os.path.lexists(area_of(target)):
            _check(target, file=file, force=force, foreign=foreign)
        with _parents(target), held_area(target) as area:
            _check(target, file=file, force=force, foreign=foreign)
            (area / "new").mkdir()
            yield Staging(target, area, file=file, force=force, foreign=foreign)
    except (OSError, NotImplementedError) as error:  # filelock: a file system without locks
        raise _write_error(target, error) from error


@contextmanager
def _parents(target: Path) -> Iterator[None]:
    """The directories that `target` is to be in; those made here and still empty are removed."""
    missing = [parent for parent in target.parents if not parent.exists()]
    there = target.parents[len(missing)]
    if not there.is_dir():
        raise WriteError(f"{there}: is no directory, so that {target} cannot be made")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # something is in it
            for parent in missing:
                parent.rmdir()


def _check(destination: Path, *, file: bool, force: bool, foreign: Foreign) -> None:
    """Refuse a destination that may not be replaced, or not without `force`."""
    if not os.path.lexists(destination):
        return
    if file:
        _check_file(destination, force)
    else:
        _check_directory(destination, force, foreign)


def _check_file(destination: Path, force: bool) -> None:
    """Only a regular file can be replaced."""
    if not destination.is_file():
        kind = "a directory" if destination.is_dir() else "not a regular file"
        raise WriteError(f"{destination}: is {kind}; name a file to write")
    if not force:
        raise WriteError(f"{destination}: exists; choose another name, or --force to replace it")


def _check_directory(destination: Path, force: bool, foreign: Foreign) -> None:
    """A destination that holds something: only our own directories can be replaced."""
    if not destination.is_dir():
        raise WriteError(f"{destination}: exists and is not a directory; choose another --dst")
    if os.path.ismount(destination):
        raise WriteError(
            f"{destination}: is a mount point, and no rename can replace one; "
            "choose a new directory in it"
        )
    if not any(destination.iterdir()):
        return
    if not force:
        raise WriteError(f"{destination}: exists; choose another --dst, or --force to replace it")
    if not (destination / RECORD_FILE).is_file():
        raise WriteError(
            f"{destination}: exists and was not written by bort-convert (it has no {RECORD_FILE}); "
            "--force replaces only what it wrote itself: remove it yourself or choose another --dst"
        )
    if mounted := [*mounts_in(destination)]:
        raise WriteError(
            f"{destination}: something is mounted in it ({some(mounted)}), and would be lost; "
            "unmount it or choose another --dst"
        )
    if others := foreign(destination):
        raise WriteError(
            f"{destination}: only what bort-convert wrote is replaced, and this is not: "
            f"{some(others)}; move it away or choose another --dst"
        )


def some(names: Sequence[str]) -> str:
    """The first of them, as text for a message, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(safe, names[:LISTED])) + more


def _exchange(first: Path, second: Path) -> bool:
    """Swap two directories in one step where the system can."""
    return _rename(first, second, RENAME_EXCHANGE, RENAME_SWAP)


def _rename(first: Path, second: Path, linux: int, macos: int) -> bool:
    """Rename by Linux's renameat2 or macOS's renamex_np; False where that cannot be done.

    Not every file system can (NFS has neither): the way that is taken then says what is wrong, if
    something is. Raises `FileExistsError` when `second` is there and may not be.
    """
    names = os.fsencode(first), os.fsencode(second)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            done = libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], linux)
        elif sys.platform == "darwin":
            done = libc.renamex_np(*names, macos)
        else:
            return False
    except (AttributeError, OSError, TypeError):
        return False
    if done and ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(second))
    return not done


def _take_over(path: Path, kept: os.stat_result) -> None:
    """Give `path` the owner and the permissions of what it replaces.

    A directory stays one that can be renamed and removed: `commit` makes it read-only in the end.
    """
    for user in (kept.st_uid, -1):  # only root gives away; the group may be another of one's own
        with suppress(OSError):
            os.chown(path, user, kept.st_gid)
            break
    mode = stat.S_IMODE(kept.st_mode) | (stat.S_IRWXU if path.is_dir() else 0)
    if stat.S_IMODE(path.stat().st_mode) != mode:  # else: a file system that has but one
        path.chmod(mode)


def _sync(path: Path) -> None:
    """Flush a file to the disk, so that the rename never outruns the data."""
    with path.open("r+b" if os.name == "nt" else "rb") as file:  # elsewhere read-only files too
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
