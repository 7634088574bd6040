"""A run on disk: every finished student and every drawn point, so that a killed run goes on.

    DIRECTORY/run.json                the options, the grid and digests of the data
    DIRECTORY/round-003/points.json what tau drew and the teacher said
    DIRECTORY/round-003/017/        student 17: outcome.json, and student/ while it may be needed

A resumed run goes the same way from the start, and finds done what is done.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from agora.errors import StateError
from agora.student import read_json, write_text

FORM = 3  # of the files of a run's directory; an earlier one's are not read
T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """The directory of one run. Make one with `opened`."""

    directory: Path

    def once(self, name: str, make: Callable[[], Any], read: Callable[[Any], T]) -> T:
        """What `read` takes of the JSON that `make` gave first, now or in an earlier process."""
        path = self.directory / name
        if not path.exists():
            write_text(path, json.dumps(make()))
        return read_json(path, read)

    def folder(self, index: int, student: int | None = None) -> Path:
        """Where a round, or one student of it, is kept."""
        place = self.directory / f"round-{index:03}"
        return place if student is None else place / f"{student:03}"

    def forget(self, folder: Path) -> None:
        """Remove the weights of a student that lost; its outcome stays."""
        shutil.rmtree(folder / "student", ignore_errors=True)


@contextmanager
def opened(directory: Path | None, about: Mapping[str, Any]) -> Iterator[State]:
    """The directory, locked while it is open; a temporary one when none is given.

    Raises:
        StateError: another run has it open, or it holds a run with other options or data.
    """
    with ExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(TemporaryDirectory(prefix="agora-")))
        directory = directory.resolve()
        directory.mkdir(parents=True, exist_ok=True)
        try:
            stack.enter_context(FileLock(directory / "lock", timeout=0))
        except Timeout:
            raise StateError(
                f"{directory} is in use by another run: wait for it, or give another directory"
            ) from None
        state, now = State(directory), json.loads(json.dumps({"form": FORM, **about}))
        if any(directory.glob("round-*")) and not (directory / "run.json").exists():
            raise StateError(f"{directory} has rounds but no run.json: give another one")
        before = state.once("run.json", lambda: now, dict)
        names = sorted({*now, *before})
        if changed := [name for name in names if now.get(name) != before.get(name)]:
            raise StateError(
                f"{directory} holds another run: give another directory, or the same options",
                [f"{name}: was {before.get(name)}, is {now.get(name)}" for name in changed],
            )
        yield state
