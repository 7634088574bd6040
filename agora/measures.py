"""What a score is: accuracy; and beside it what a large class cannot flatter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agora.points import Label


def accuracy(said: Sequence[Label], labels: Sequence[Label]) -> float:
    """The share of labels that were said: the score that selects, and that the author speaks of."""
    return float(np.mean([a == b for a, b in zip(said, labels, strict=True)]))


def measures(said: Sequence[Label], labels: Sequence[Label]) -> dict[str, float]:
    """What a report says, by name: accuracy, the classes' mean F1, Matthews' coefficient."""
    names = sorted({*said, *labels})
    table = np.zeros((len(names), len(names)))
    for one, label in zip(said, labels, strict=True):
        table[names.index(label), names.index(one)] += 1
    right, wanted, given = np.diag(table), table.sum(1), table.sum(0)
    shared = right.sum() * table.sum() - wanted @ given
    spread = (table.sum() ** 2 - wanted @ wanted) * (table.sum() ** 2 - given @ given)
    return {
        "accuracy": accuracy(said, labels),
        "macro-F1": float(np.mean(2 * right / (wanted + given))),
        "Matthews": float(shared / np.sqrt(spread)) if spread else 0.0,  # Gorodkin's, of many
    }
