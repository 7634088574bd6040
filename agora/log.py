"""What a run has to tell: a record of every round, and the result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from agora.grid import Theta
from agora.ledger import Work
from agora.points import Split
from agora.student import Student


@dataclass(frozen=True)
class Step:
    """One student that is done, for whoever watches; its score is on dev, and told to nobody."""

    index: int  # the round
    theta: Theta
    done: int  # students of this round so far, this one included
    students: int  # of this round
    train_size: int
    cost: float  # of the run so far, in forward passes
    fresh: bool  # trained now, not found in the state directory


@dataclass(frozen=True)
class Round:
    """One round. Thetas are numbered by their place in the grid."""

    index: int
    thetas: tuple[int, ...]
    scores: tuple[float, ...]  # of the thetas, on dev
    leader: int  # the best theta; of equals, the first in the grid
    score: float  # the leader's
    mistakes: tuple[int, ...]  # places in dev where the leader is wrong
    train_size: int  # points trained on
    added: int  # of them, new in this round, and labelled by the teacher
    leaked: int  # draws that were items of dev or test
    missed: int  # mistakes near which no new point was found
    cost: float  # of the run so far, in forward passes
    pruned: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """The best student, and how it came about."""

    student: Student
    theta: Theta
    chosen: Round  # the round it is from
    control: Student  # the leader of round 0, which is a grid search on train
    rounds: tuple[Round, ...]
    ledger: Work
    stopped: str  # why there is no further round
    train: Split  # what the last round trained on

    def trace(self) -> dict[str, Any]:
        """Everything, as JSON: equal for equal runs, whatever the executor. No point is in it."""
        return {
            "theta": [list(pair) for pair in self.theta],
            "rounds": [asdict(record) for record in self.rounds],
            "ledger": asdict(self.ledger),
            "stopped": self.stopped,
            "train": {"points": len(self.train), "sha256": self.train.digest()},
        }
