"""What a run costs, in forward passes of one sample, so that comparisons are at equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from operator import add

from agora.grid import Theta

BACKWARD = 3  # an update with one sample: a forward pass, and a backward one of twice its work


@dataclass(frozen=True)
class Work:
    """What was done, by one student or in a whole run, whose ledger it is."""

    updates: int = 0  # samples updated on: forward and backward
    forwards: int = 0  # samples only evaluated
    teacher_calls: int = 0  # points that the teacher was asked about

    def __add__(self, other: Work) -> Work:
        return Work(*map(add, astuple(self), astuple(other)))

    @property
    def cost(self) -> int:
        """Everything, in forward passes of one sample; a call of the teacher counts as one."""
        return BACKWARD * self.updates + self.forwards + self.teacher_calls


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
