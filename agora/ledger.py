"""What a run costs, in forward passes of one sample, so that comparisons are at equal cost."""

from __future__ import annotations

from dataclasses import dataclass

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
