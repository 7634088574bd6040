"""The place beside a destination where it is made: held by one run, and touched by nobody else's.

`.<name>.bort-convert/` holds

    lock   held by the running conversion; the system frees it when the process dies
    new/   what is being written: the directory itself, or a file in it
    old/   the replaced directory, for the moment between two renames (only where the system
           cannot exchange two directories in one step)

A kill leaves that directory behind; the next run into the same destination puts `old/` back if
the destination is gone, and removes the rest. What this program did not make is never followed,
moved or removed: a link, somebody else's directory, a name that is none of these three.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from converter.errors import WriteError, safe
from converter.files.mounts import mounts_in

KINDS = {"lock": stat.S_ISREG, "new": stat.S_ISDIR, "old": stat.S_ISDIR}
ATTEMPTS = 10  # each is another run that ended between our looking and our locking
# Windows has neither descriptors of directories nor links that everybody may make
BY_DESCRIPTOR = shutil.rmtree.avoids_symlink_attacks and os.rename in os.supports_dir_fd


def area_of(destination: Path) -> Path:
    """Where `destination` is made."""
    return destination.parent / f".{destination.name}.bort-convert"


@contextmanager
def held_area(destination: Path) -> Iterator[Path]:
    """Make and lock the area of `destination`, tidied on the way in; leave nothing of it.

    Raises `WriteError` when another run holds it, or when it was not made by this program, and
    `OSError` for what the system refuses.
    """
    area = area_of(destination)
    lock = _locked(destination, area)
    with ExitStack() as stack:
        stack.callback(_leave, area, lock)
        within: dict[str, Any] = {}
        if BY_DESCRIPTOR:  # so that nothing else is meant if the name is given away
            descriptor = os.open(area, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, descriptor)
            within = {"dir_fd": descriptor}
        place = Path() if within else area
        if not _is_there(place, lock, within):
            raise WriteError(f"{area}: another directory took its place just now; run it again")
        if within:
            _open_to_us_alone(descriptor)  # filelock makes it for everybody, if it was gone
        _tidy(destination, place, within)
        stack.callback(_remove, place / "lock", within)  # while it is held: nobody else can be
        stack.callback(_tidy, destination, place, within, leaving=True)
        yield area


def _locked(destination: Path, area: Path) -> FileLock:
    for _ in range(ATTEMPTS):
        try:
            os.mkdir(area, 0o700)  # noqa: PTH102  (the mode from the beginning)
            made = True
        except FileExistsError:
            made = False
        _refuse_others(destination, area, made)
        lock = FileLock(area / "lock")
        try:
            lock.acquire(timeout=0.5, poll_interval=0.05)
        except Timeout:
            break
        except (FileNotFoundError, FileExistsError):  # the latter as filelock makes it again
            continue  # the run that held it ended, and took it away
        if _is_there(area, lock, {}):
            return lock
        lock.release()
    raise WriteError(f"{destination}: another conversion is writing it; wait for its end")


def _refuse_others(destination: Path, area: Path, made: bool) -> None:
    """Refuse an area that this program did not make; `made`: just now."""
    try:
        found = os.lstat(area)
        if not stat.S_ISDIR(found.st_mode):
            what = "is no directory"
        elif not made and hasattr(os, "geteuid") and found.st_uid != os.geteuid():
            raise WriteError(
                f"{destination}: another user's conversion is writing it, or was killed there "
                f"({area} is theirs); wait for its end, or choose another destination"
            )
        else:
            with os.scandir(area) as entries:
                strange = [f"holds {entry.name!r}" for entry in entries if not _is_own(entry)]
            strange += [f"something is mounted in it ({place})" for place in mounts_in(area)]
            what = ", ".join(strange)
    except FileNotFoundError:  # another run has just removed it
        return
    if what:
        raise WriteError(
            f"{area}: {safe(what)}: bort-convert works in a directory of this name, and did not "
            "make that; move it away, or choose another destination"
        )


def _is_own(entry: os.DirEntry[str]) -> bool:
    kind = KINDS.get(entry.name)
    try:
        return kind is not None and kind(entry.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:  # another run has just removed it
        return True


def _is_there(area: Path, lock: FileLock, within: dict[str, Any]) -> bool:
    """Whether what is locked is the file of that name still, and not one that was removed."""
    context: Any = getattr(lock, "_context", None)
    descriptor = getattr(context, "lock_file_fd", None)
    try:
        there = os.stat(area / "lock", follow_symlinks=False, **within)  # noqa: PTH116
        return descriptor is None or os.path.samestat(there, os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _tidy(destination: Path, place: Path, within: dict[str, Any], leaving: bool = False) -> None:
    """What a killed or failed run left: `old/` goes back if there is no other, the rest goes."""
    try:
        names = os.listdir(within.get("dir_fd", place))  # noqa: PTH208  (by the descriptor)
        if "old" in names and not os.path.lexists(destination):
            os.rename(place / "old", destination, **{f"src_{n}": d for n, d in within.items()})
            names.remove("old")
        for name in {"new", "old"} & {*names}:
            if within:  # a read-only folder of the user's, in what `tokenizer` made anew
                for *_, folder in os.fwalk(place / name, **within):
                    _open_to_us_alone(folder)
            shutil.rmtree(place / name, **within)
    except OSError as error:
        if not leaving:
            raise WriteError(
                f"{area_of(destination)}: what a killed run left in it cannot be put back or "
                f"removed ({error.strerror or error}); move it away, and run this again"
            ) from error


def _open_to_us_alone(directory: int) -> None:
    with suppress(OSError):  # a file system without permissions
        os.fchmod(directory, stat.S_IRWXU)


def _remove(lock: Path, within: dict[str, Any]) -> None:
    with suppress(OSError):  # Windows cannot remove an open file: `_leave` does
        os.unlink(lock, **within)


def _leave(area: Path, lock: FileLock) -> None:
    lock.release()
    with suppress(OSError):
        if os.name == "nt":
            (area / "lock").unlink()
        area.rmdir()
