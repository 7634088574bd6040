"""A run on disk: every finished student and every drawn point, so that a killed run goes on.

    DIRECTORY/run.json                the options, the grid and digests of the data
    DIRECTORY/round-003/points.json what tau drew and the teacher said
    DIRECTORY/round-003/017/        student 17: outcome.json, and student/ while it may be needed

A resumed run goes the same way from the start, and finds done what is done.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from agora.errors import StateError
from agora.student import write_text


class State:
    """The directory of one run, locked while it is open; a temporary one when none is given."""

    def __init__(self, directory: Path | None, about: Mapping[str, Any]) -> None:
        self._own = None if directory else tempfile.TemporaryDirectory(prefix="agora-")
        self.directory = Path(self._own.name) if self._own else Path(directory or ".").resolve()
        self._about = about
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.directory / "lock")

    def __enter__(self) -> State:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StateError(
                f"{self.directory} is in use by another run: wait for it, or give another directory"
            ) from None
        path = self.directory / "run.json"
        about = json.loads(json.dumps(self._about))
        if not path.exists():
            if any(self.directory.glob("round-*")):
                raise StateError(f"{self.directory} has rounds but no run.json: give another one")
            write_text(path, json.dumps(about, indent=1))
            return self
        before = self.read(path)
        changed = [
            name for name in sorted({*about, *before}) if about.get(name) != before.get(name)
        ]
        if changed:
            raise StateError(
                f"{self.directory} holds another run: give another directory, or the same options",
                [f"{name}: was {before.get(name)}, is {about.get(name)}" for name in changed],
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()
        if self._own:
            self._own.cleanup()

    def read(self, path: Path) -> Any:
        """The JSON in a file of this directory; None if there is no such file."""
        try:
            return json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StateError(f"{path} is no JSON ({error}): remove {self.directory}") from None

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The JSON value that `make` gave the first time, in this process or an earlier one."""
        path = self.directory / name
        value = self.read(path)
        if value is None:
            value = make()
            write_text(path, json.dumps(value))
        return value

    def folder(self, index: int, student: int | None = None) -> Path:
        """Where a round, or one student of it, is kept."""
        place = self.directory / f"round-{index:03}"
        return place if student is None else place / f"{student:03}"

    def forget(self, folder: Path) -> None:
        """Remove the weights of a student that lost; its outcome stays."""
        shutil.rmtree(folder / "student", ignore_errors=True)
