"""What a run costs, in forward passes of one sample, so that comparisons are at equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agora.grid import Theta

BACKWARD = 3  # an update with one sample: a forward pass, and a backward one of twice its work


@dataclass(frozen=True)
class Work:
    """What one student did: samples updated on (forward and backward), samples only evaluated."""

    updates: int = 0
    forwards: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.updates + other.updates, self.forwards + other.forwards)


@dataclass(frozen=True)
class Ledger:
    """The account of a run. `student` and `teacher` are the prices of one forward pass of each."""

    updates: int = 0
    forwards: int = 0
    teacher_calls: int = 0
    student: float = 1.0
    teacher: float = 1.0

    def spent(self, work: Work, teacher_calls: int = 0) -> Ledger:
        """The account after more work."""
        return replace(
            self,
            updates=self.updates + work.updates,
            forwards=self.forwards + work.forwards,
            teacher_calls=self.teacher_calls + teacher_calls,
        )

    def price(self, work: Work) -> float:
        """What `work` costs by itself, in forward passes."""
        return self.student * (BACKWARD * work.updates + work.forwards)

    @property
    def cost(self) -> float:
        """Everything, in forward passes."""
        return self.price(Work(self.updates, self.forwards)) + self.teacher * self.teacher_calls


def at_most(
    method: str, grid: Sequence[Theta], train: int, dev: int, pool: int
) -> tuple[float, float]:
    """What the first round, and all rounds, cost at most: early stopping and pruning make it less.

    A round of Agora drops one set at least, and adds a point for each of dev at most. A call of
    the teacher counts as one forward pass.
    """

    def students(count: int, points: int) -> float:
        costs = sorted(dict(theta)["epochs"] for theta in grid)[-count:]
        return float(sum(epochs * (BACKWARD * points + dev) + dev for epochs in costs))

    first = students(len(grid), train)
    if method == "finetune":
        return first, first
    known = 2.0 * min(dev + 100, 2 * dev + pool)  # tau's trial, and the gate
    if method == "pseudo-label":
        return first, first + students(len(grid), train + pool) + pool + known
    rounds = range(1, len(grid))
    more = sum(students(len(grid) - i, train + i * dev) + dev for i in rounds)
    return first, first + more + known
