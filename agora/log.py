"""What a run has to tell: a record of every round, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agora.grid import Theta, shown
from agora.ledger import Ledger
from agora.points import Split, encode
from agora.student import Student


@dataclass(frozen=True)
class Round:
    """One round, or one replay of it. Thetas are numbered by their place in the grid."""

    index: int
    replay: int
    thetas: tuple[int, ...]
    scores: tuple[float, ...]  # of the thetas, on selection if there is one, else on dev
    leader: int  # the best theta; of equals, the first in the grid
    score: float  # the leader's
    mistakes: tuple[int, ...]  # places in dev where the leader is wrong
    train_size: int  # points trained on
    added: int  # of them, new in this round
    asked: int  # points that the teacher labelled for this round
    leaked: int  # draws that were items of dev, selection or test
    missed: int  # mistakes near which no new point was found
    distance: float  # mean distance of the new points from their mistakes
    cost: float  # of the run so far, in forward passes
    pruned: tuple[int, ...] = ()
    accepted: bool = True  # False: a replay did better
    seconds: float = field(default=0.0, compare=False)

    @property
    def folder(self) -> str:
        """Where the leader is kept, below the state directory."""
        return f"round-{self.index:03}.{self.replay}/{self.leader:03}"


@dataclass(frozen=True)
class Result:
    """The best student, and how it came about."""

    student: Student
    theta: Theta
    chosen: Round  # the round it is from
    rounds: tuple[Round, ...]
    ledger: Ledger
    stopped: str  # why there is no further round
    train: Split  # what the last round trained on

    def trace(self) -> dict[str, Any]:
        """Everything but time, as JSON: equal for equal runs, whatever the executor."""
        rounds = [asdict(record) for record in self.rounds]
        for record in rounds:
            del record["seconds"]
        return {
            "theta": [list(pair) for pair in self.theta],
            "rounds": rounds,
            "ledger": asdict(self.ledger),
            "stopped": self.stopped,
            "train": [encode(self.train.points), encode(self.train.labels)],
        }


def table(grid: Sequence[Theta], rounds: Sequence[Round]) -> str:
    """One line a round. The scores are not results: dev is learnt from (see `agora.report`)."""
    lines = [
        "round  thetas  train  added  mistakes  pruned      cost  best theta (selects, no result)"
    ]
    lines += [line(grid, record) for record in rounds]
    return "\n".join(lines)


def line(grid: Sequence[Theta], record: Round) -> str:
    """One round of the table."""
    name = f"{record.index}" + (f".{record.replay}" if record.replay else "")
    note = "" if record.accepted else "  (replayed)"
    return (
        f"{name:>5}  {len(record.thetas):>6}  {record.train_size:>5}  {record.added:>5}  "
        f"{len(record.mistakes):>8}  {len(record.pruned):>6}  {record.cost:>8.3g}  "
        f"{shown(grid[record.leader])}{note}"
    )
