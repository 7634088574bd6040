"""What a run costs, in forward passes of one sample, so that comparisons are at equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agora.grid import Theta

BACKWARD = (
    3  # a training update of one sample: a forward pass and a backward pass of twice its work
)


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
        return Ledger(
            self.updates + work.updates,
            self.forwards + work.forwards,
            self.teacher_calls + teacher_calls,
            self.student,
            self.teacher,
        )

    def price(self, work: Work) -> float:
        """What `work` costs by itself, in forward passes."""
        return self.student * (BACKWARD * work.updates + work.forwards)

    @property
    def cost(self) -> float:
        """Everything, in forward passes."""
        return self.price(Work(self.updates, self.forwards)) + self.teacher * self.teacher_calls


def at_most(
    method: str, grid: Sequence[Theta], train: int, dev: int, pool: int, draws: int, replay: int,
    teacher: float,
) -> tuple[float, float]:  # fmt: skip
    """What the first round, and all rounds, cost at most: early stopping and pruning make it less.

    A round of Agora drops one set at least, and adds `draws` points for each of dev at most.
    """

    def students(count: int, points: int) -> float:
        costs = sorted(dict(theta)["epochs"] for theta in grid)[-count:]
        return float(sum(epochs * (BACKWARD * points + dev) + dev for epochs in costs))

    first, new = students(len(grid), train), draws * dev
    if method == "finetune":
        return first, first
    known = teacher * 2 * min(dev + 100, 2 * dev + pool)  # tau's trial, and the gate
    if method == "pseudo-label":
        return first, first + students(len(grid), train + pool) + teacher * pool + known
    rounds = range(1, len(grid))
    more = sum(students(len(grid) - i, train + i * new) + teacher * new for i in rounds)
    return first, first + (1 + replay) * more + known
