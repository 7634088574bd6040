"""What the loop asks of a student, and the training of one, which may happen on another machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from agora.errors import StateError
from agora.ledger import Work
from agora.points import Label, Point, Split, accuracy

T = TypeVar("T")


class Student(Protocol):
    """A model to be trained."""

    def fit(self, train: Split, dev: Split) -> Work:
        """Train, and tell the work done. dev is there for early stopping alone."""

    def predict(self, points: Sequence[Point]) -> Sequence[Label]:
        """One label a point."""

    def save(self, directory: Path) -> None:
        """Write the trained student into an empty directory."""


class StudentFactory(Protocol):
    """Makes untrained students, and reads trained ones. Must be picklable for other processes."""

    def make(self, theta: Mapping[str, Any], seed: int) -> Student:
        """An untrained student."""

    def load(self, directory: Path) -> Student:
        """What `save` wrote."""


@dataclass(frozen=True)
class Outcome:
    """What a trained student said of dev, and its work."""

    dev: tuple[Label, ...]
    score: float  # on dev
    work: Work
    fresh: bool  # trained now, not found in the state directory


def train_one(
    factory: StudentFactory, theta: Mapping[str, Any], seed: int, train: Split, dev: Split,
    folder: Path,
) -> Outcome:  # fmt: skip
    """Train a student, save it under `folder`, and say what it predicts.

    The outcome is the last thing written, by one rename: where it is, the student is whole.
    """
    path, place = folder / "outcome.json", folder / "student"
    if fresh := not path.exists():
        shutil.rmtree(folder, ignore_errors=True)
        place.mkdir(parents=True)
        student = factory.make(theta, seed)
        work = student.fit(train, dev) + Work(forwards=len(dev))
        said = Split(dev.points, student.predict(dev.points)).labels  # as many, and plain
        student.save(place)
        write_text(path, json.dumps([said, work.updates, work.forwards]))
    return read_json(
        path, lambda it: Outcome(tuple(it[0]), accuracy(it[0], dev.labels), Work(*it[1:]), fresh)
    )


def start_worker(threads: int) -> None:
    """Prepare a worker process: Ctrl-C ends it without a traceback, and it uses `threads`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import torch  # only now: Ctrl-C may come meanwhile

    torch.set_num_threads(threads)


def read_json(path: Path, read: Callable[[Any], T]) -> T:
    """What `read` makes of the JSON in a file of a run's directory."""
    try:
        return read(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError, LookupError) as error:
        raise StateError(f"{path} is damaged ({error}): remove the run's directory") from None


def write_text(path: Path, text: str) -> None:
    """The file is absent, old or new, and whole, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
