"""Recorded figures → differences, intervals and the table in benchmarks/README.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

AGORA = "Agora (worst)"
GRID_SEARCH = "grid search"
DRAWS = 10_000
Array = npt.NDArray[np.float64]


def interval(differences: Array) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of paired differences, percentiles 2.5 and 97.5."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, len(differences), (DRAWS, len(differences)))
    low, high = np.percentile(differences[places].mean(1), [2.5, 97.5])
    return float(low), float(high)


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
        "Test accuracy of Agora, and how much more that is than each other way to spend the same "
        "compute:",
        "mean difference, its 95 % bootstrap interval, and seeds won, tied and lost. **Bold**: the "
        "interval is below 0,",
        "Agora is worse; italic: it holds 0, no difference is shown.",
        "",
        f"| task (seeds) | Agora | {' | '.join(others)} |",
        "|---" * (len(others) + 2) + "|",
    ]
    for task, seeds in figures.items():
        ours = column(seeds, AGORA, "test")
        cells = [_cell(ours - column(seeds, way, "test")) for way in others]
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
    """Every way, as in the figures."""
    return list(next(iter(seeds.values()))["ways"])


def with_table(readme: str, figures: Mapping[str, Mapping[str, Any]]) -> str:
    """benchmarks/README.md with the table made anew."""
    before, rest = readme.split(BEGIN)
    return before + "\n".join(in_short(figures)) + rest.split(END, 1)[1]
