"""Recorded figures → differences, intervals and the table in benchmarks/README.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

AGORA = "Agora (worst)"
GRID_SEARCH = "grid search"
TEACHER, MAJORITY = "the teacher itself", "majority class"  # what costs nothing
Array = npt.NDArray[np.float64]


def interval(differences: Array) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of paired differences (scipy's BCa).

    Where all are alike it is that one value.
    """
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    found = bootstrap((differences,), np.mean, n_resamples=9999, rng=np.random.default_rng(0))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def column(seeds: Mapping[str, Any], way: str, figure: str) -> Array:
    """One figure of one way, a value a seed."""
    return np.array([seeds[seed]["ways"][way][figure] for seed in sorted(seeds, key=int)], float)


def verdict(low: float, high: float) -> str:
    """What the interval of Agora minus another way says."""
    return "Agora better" if low > 0 else "**Agora worse**" if high < 0 else "no difference shown"


def done_when(seeds: Mapping[str, Any]) -> tuple[float, int, float]:
    """On sines against grid search: mean gain, seeds won, lower end of the interval."""
    gain = column(seeds, AGORA, "test") - column(seeds, GRID_SEARCH, "test")
    return float(gain.mean()), int((gain > 0).sum()), interval(gain)[0]


BEGIN, END = "<!-- generated: agora -->", "<!-- end -->"


def in_short(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """For benchmarks/README.md: a row a task, a column for every way at equal cost."""
    ways = [way for way in names(next(iter(figures.values()))) if "as much as" not in way]
    others = [way for way in ways if way != AGORA]
    lines = [
        BEGIN,
        "Test accuracy of Agora, and how much more that is than each other way to spend the same",
        "compute (the teacher and the majority class cost nothing): mean difference, its 95 %",
        "bootstrap interval (BCa), and seeds won, tied and lost. **Bold**: the interval is below",
        "0, Agora is worse; italic: it holds 0, no difference is shown. –: not measured.",
        "",
        f"| task (seeds) | Agora | {' | '.join(others)} |",
        "|---" * (len(others) + 2) + "|",
    ]
    for task, seeds in figures.items():
        ours = column(seeds, AGORA, "test")
        cells = [
            _cell(ours - column(seeds, way, "test")) if way in names(seeds) else "–"
            for way in others
        ]
        lines.append(f"| {task} ({len(seeds)}) | {ours.mean():.3f} | {' | '.join(cells)} |")
    return [*lines, END]


def _cell(gain: Array) -> str:
    low, high = interval(gain)
    text = f"{gain.mean():+.3f} [{low:+.3f}, {high:+.3f}] {counts(gain)}"
    return f"**{text}**" if high < 0 else text if low > 0 else f"*{text}*"


def counts(gain: Array) -> str:
    """Seeds won, tied and lost."""
    return f"{(gain > 0).sum()}, {(gain == 0).sum()}, {(gain < 0).sum()}"


def names(seeds: Mapping[str, Any]) -> list[str]:
    """Every way that all seeds have, as in the figures."""
    first, *others = (seed["ways"] for seed in seeds.values())
    return [way for way in first if all(way in other for other in others)]


def to_choose(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """For agora/README.md: a row a way, a column for each task that has all of the ways."""
    ways = {
        f"`finetune`: {GRID_SEARCH}": GRID_SEARCH,
        "half of dev moved into train, then that": "grid, half of dev in train",
        "chosen by 5-fold on train and dev, trained on both": "5-fold on train and dev, refit",
        "`pseudo-label`, then that": "pseudo-label and grid",
        "`agora --prune worst`": AGORA,
        "`agora` (`lcs`), at the share of the cost that it takes": (
            "Agora (lcs), as much as it takes"
        ),
        TEACHER: TEACHER,
        MAJORITY: MAJORITY,
    }
    tasks = [task for task, seeds in figures.items() if {*ways.values()} <= {*names(seeds)}]
    lines = [BEGIN, f"| test accuracy, 12 seeds | {' | '.join(tasks)} |"]
    lines.append("|---" * (len(tasks) + 1) + "|")
    for name, way in ways.items():
        cells = []
        for task in tasks:
            test = column(figures[task], way, "test")
            low, _ = interval(test - column(figures[task], AGORA, "test"))
            better = way != AGORA and way != TEACHER and low > 0
            cells.append(f"**{test.mean():.3f}**" if better else f"{test.mean():.3f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, END]


def with_table(text: str, lines: list[str]) -> str:
    """A page with the table between the marks made anew."""
    before, rest = text.split(BEGIN)
    return before + "\n".join(lines) + rest.split(END, 1)[1]
