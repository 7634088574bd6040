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
        """The score of the predictions, finite or -inf."""
        ...

    def right(self, said: Label, label: Label) -> bool:
        """Whether one prediction is no mistake."""
        ...


@dataclass(frozen=True)
class Classification:
    """Accuracy; a mistake is another class. The author's theory is of the binary case."""

    def score(self, said: Sequence[Label], labels: Sequence[Label]) -> float:
        return float(np.mean([self.right(*pair) for pair in zip(said, labels, strict=True)]))

    def right(self, said: Label, label: Label) -> bool:
        return bool(said == label)


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
