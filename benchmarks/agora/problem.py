"""What a task gives for one seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agora import Split
from agora.draw import Tau
from agora.grid import Theta
from agora.points import Label, Point
from agora.student import StudentFactory
from benchmarks.agora.net import Nets


class Students(StudentFactory, Protocol):
    """Students whose runs have a price that is known before, so that every way spends the same."""

    @property
    def grid(self) -> tuple[Theta, ...]:
        """The hyperparameter sets."""
        ...

    def part(self, theta: Theta, share: float) -> Theta:
        """The same run, `share` times as long."""
        ...

    def fitted(self, theta: Theta, left: float, train: int, dev: int) -> Theta | None:
        """The run for which `left` forward passes suffice; None if that is none at all."""
        ...

    def patient(self, left: float, train: int, dev: int) -> Theta:
        """One run of `left` forward passes, in the middle of the grid; its best look stays."""
        ...


@dataclass(frozen=True)
class Problem:
    """What one seed of a task gives."""

    train: Split
    dev: Split
    test: Split
    teacher: Callable[[Sequence[Point]], Sequence[Label]]
    tau: Tau
    students: Students = field(default_factory=Nets)
    pool: tuple[Point, ...] = ()  # unlabelled
