"""agora.json → agora.md and agora.svg: every way against Agora, losses as plainly as wins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "bort-agora"
mpl.rcParams["svg.fonttype"] = "none"
from matplotlib import pyplot as plt  # noqa: E402  (the backend is chosen first)

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


def write_page(figures: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write agora.md and agora.svg of the tasks measured so far."""
    measured = {task: seeds for task, seeds in figures.items() if seeds}
    gain, wins, low = done_when(measured["sines"])
    count = len(measured["sines"])
    holds = gain > 0.02 and wins >= 9 / 12 * count and low > 0
    lines = [
        "# Agora against other ways to spend the same compute",
        "",
        "Made by `make agora-bench`; do not edit. Test accuracy, which nothing was selected by;",
        "paired by seed; bootstrap intervals of the mean difference. A student is a network of one",
        "hidden layer of 16 in NumPy, 24 hyperparameter sets, 2,400 samples a training. agora.json",
        "has every seed. The tasks are defined in `benchmarks/agora/tasks.py`, the ways in",
        "`benchmarks/agora/ways.py`; the radius of tau was set before these seeds were run.",
        "Intervals are not corrected for the number of comparisons: some of those that just",
        "miss 0 are luck.",
        "",
        f"**To be reached on sines, against grid search:** mean gain above 0.02 (is {gain:.3f}), "
        f"won in 9 of 12 seeds (is {wins} of {count}), lower bound above 0 (is {low:.3f}): "
        f"{'met' if holds else '**not met**'}.",
        "",
        "![test accuracy of every way](agora.svg)",
        "",
    ]
    for task, seeds in measured.items():
        lines += [f"## {task} ({len(seeds)} seeds)", "", *_table(seeds), ""]
    _plot(measured, folder / "agora.svg")
    (folder / "agora.md").write_text("\n".join(lines), encoding="utf-8")


def _table(seeds: Mapping[str, Any]) -> list[str]:
    ways = list(next(iter(seeds.values()))["ways"])
    ours = column(seeds, AGORA, "test")
    cost = column(seeds, AGORA, "cost")
    lines = [
        "| way | test | selected at | cost ÷ Agora's | Agora − it [95 %] | won, tied, lost | |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in ways:
        test, chosen = column(seeds, way, "test"), column(seeds, way, "dev")
        share = column(seeds, way, "cost") / cost
        row = f"| {way} | {test.mean():.3f} | {chosen.mean():.3f} | {share.mean():.3f} |"
        if way == AGORA:
            lines.append(f"{row} | | |")
            continue
        gain = ours - test
        low, high = interval(gain)
        counts = f"{(gain > 0).sum()}, {(gain == 0).sum()}, {(gain < 0).sum()}"
        lines.append(
            f"{row} {gain.mean():+.3f} [{low:+.3f}, {high:+.3f}] | {counts} | "
            f"{verdict(low, high)} |"
        )
    return lines


def _plot(measured: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    rows = -(-len(measured) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(12, 3.2 * rows), squeeze=False)
    for axis in axes.flat[len(measured) :]:
        axis.remove()
    for axis, (task, seeds) in zip(axes.flat, measured.items(), strict=False):
        ways = list(next(iter(seeds.values()))["ways"])[::-1]
        axis.boxplot([column(seeds, way, "test") for way in ways], orientation="horizontal")
        axis.set(title=task, xlabel="test accuracy", yticklabels=ways)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
