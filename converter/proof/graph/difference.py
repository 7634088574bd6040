"""How far two values of one output are apart, relative to the largest of the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Their rows come in an order that ties decide; rows that are left over hold -1
ROWS = ("_contrib_box_nms", "_contrib_MultiBoxDetection")
SAME = 1e-6  # rows that are no further apart are in the same order
BLOCK = 256  # rows that are compared with all others at once


@dataclass(frozen=True)
class NodeDifference:
    """One output of one node: `relative` is max|a - b| / max|b|, b being the reference's values.

    `largest` is max|b|. NaN or the same infinity on both sides are alike. `rows`: each row was
    compared with the nearest one, where they come in an order of their own. An infinite `relative`
    is another shape, or a number on one side where the other has none.
    """

    node: str
    operator: str
    shape: tuple[int, ...]
    relative: float
    largest: float
    rows: bool = False


def measure(a: np.ndarray, b: np.ndarray) -> float:
    """max|a - b| / max|b|; infinite for two shapes, and for NaN or infinity on one side alone."""
    if a.shape != b.shape:
        return float("inf")
    if not b.size:
        return 0.0
    a, b = (x.astype(np.float64, copy=False) for x in (a, b))
    with np.errstate(invalid="ignore"):
        alike = (a == b) | (np.isnan(a) & np.isnan(b))
        gap = float(np.where(alike, 0, np.abs(a - b)).max())
    return _of(gap, largest_of(b))


def _of(gap: float, largest: float) -> float:
    if gap == 0:
        return 0.0
    return gap / largest if largest and np.isfinite(gap) else float("inf")


def largest_of(b: np.ndarray) -> float:
    """max|b| over its finite values."""
    sizes = np.abs(b.astype(np.float64, copy=False))
    return float(sizes.max(initial=0, where=np.isfinite(sizes)))


def measure_rows(a: np.ndarray, b: np.ndarray, within: int | None = None) -> float:
    """The same for detections (…, rows, numbers): each row beside the nearest, both ways.

    within: how many places a row may have moved. With it, what has no axis beside that of its rows
    (…, rows) is compared in order.
    """
    in_order = measure(a, b)
    if in_order <= SAME or a.shape != b.shape or a.ndim < (2 if within is None else 3):
        return in_order
    largest, worst = largest_of(b), 0.0
    ours, theirs = (x.reshape(-1, *x.shape[-2:]).astype(np.float64) for x in (a, b))
    for first, second in zip(ours, theirs, strict=True):
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            return in_order
        for rows, others in ((first, second), (second, first)):
            for start in range(0, len(rows), BLOCK):
                gaps = np.abs(rows[start : start + BLOCK, None] - others).max(-1)
                if within is not None:
                    places = np.arange(start, start + len(gaps))
                    moved = np.abs(np.subtract.outer(places, np.arange(len(others))))
                    gaps[moved > within] = np.inf
                worst = max(worst, float(gaps.min(-1).max()))
    return _of(worst, largest)
