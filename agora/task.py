"""What a score and a mistake are: classification and regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agora.points import Label


class Task(Protocol):
    """Judges predictions; a higher score is better."""

    def score(self, said: Sequence[Label], labels: Sequence[Label]) -> float:
        """The score that selects, finite or -inf."""
        ...

    def right(self, said: Label, label: Label) -> bool:
        """Whether one prediction is no mistake."""
        ...

    def measures(self, said: Sequence[Label], labels: Sequence[Label]) -> dict[str, float]:
        """What a report says, by name, the score first."""
        ...

    def trivial(self, labels: Sequence[Label]) -> Label:
        """What to say of every point when nothing is known but `labels`."""
        ...


@dataclass(frozen=True)
class Classification:
    """Accuracy; a mistake is another class. The author's theory is of the binary case."""

    def score(self, said: Sequence[Label], labels: Sequence[Label]) -> float:
        return float(np.mean([self.right(*pair) for pair in zip(said, labels, strict=True)]))

    def right(self, said: Label, label: Label) -> bool:
        return bool(said == label)

    def measures(self, said: Sequence[Label], labels: Sequence[Label]) -> dict[str, float]:
        """Accuracy, the mean F1 of the classes, and Matthews' coefficient (Gorodkin's of many)."""
        names = sorted({*said, *labels})
        table = np.zeros((len(names), len(names)))
        for one, label in zip(said, labels, strict=True):
            table[names.index(label), names.index(one)] += 1
        wanted, given, right = table.sum(1), table.sum(0), np.diag(table)
        spread = (table.sum() ** 2 - wanted @ wanted) * (table.sum() ** 2 - given @ given)
        shared = right.sum() * table.sum() - wanted @ given
        return {
            "accuracy": self.score(said, labels),
            "macro-F1": float(np.mean(2 * right / (wanted + given))),
            "Matthews": float(shared / math.sqrt(spread)) if spread else 0.0,
        }

    def trivial(self, labels: Sequence[Label]) -> Label:
        return max(sorted(set(labels)), key=list(labels).count)


@dataclass(frozen=True)
class Regression:
    """R²; a mistake is an error above `tolerance`, in the unit of the labels.

    The author says that regression can be cast as binary classification, not how: this threshold is
    our reading.
    """

    tolerance: float

    def score(self, said: Sequence[Label], labels: Sequence[Label]) -> float:
        truth = np.array(labels, float)
        error = float(np.sum((np.array(said, float) - truth) ** 2))
        spread = float(np.sum((truth - truth.mean()) ** 2))
        score = 1 - error / spread if spread else -error
        return score if math.isfinite(score) else -math.inf

    def right(self, said: Label, label: Label) -> bool:
        return bool(abs(said - label) <= self.tolerance)

    def measures(self, said: Sequence[Label], labels: Sequence[Label]) -> dict[str, float]:
        error = np.abs(np.array(said, float) - np.array(labels, float))
        return {"R²": self.score(said, labels), "mean error": float(error.mean())}

    def trivial(self, labels: Sequence[Label]) -> Label:
        return float(np.mean(labels))
