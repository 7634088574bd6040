"""agora.json → agora.md and agora.svg: every way against Agora, losses as plainly as wins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "bort-agora"
mpl.rcParams["svg.fonttype"] = "none"
from matplotlib import pyplot as plt  # noqa: E402  (the backend is chosen first)

from benchmarks.agora.compare import (  # noqa: E402
    AGORA,
    column,
    counts,
    done_when,
    in_short,
    interval,
    names,
    to_choose,
    verdict,
    with_table,
)


def write_page(figures: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write agora.md and agora.svg of what was measured, and the tables in both README.md."""
    measured = {task: seeds for task, seeds in figures.items() if seeds}
    (folder / "agora.md").write_text("\n".join(page(measured)), encoding="utf-8")
    _plot(measured, folder / "agora.svg")
    for page_, lines in (
        (folder / "README.md", in_short(measured)),
        (folder.parent / "agora" / "README.md", to_choose(measured)),
    ):
        page_.write_text(with_table(page_.read_text("utf-8"), lines), "utf-8")


def page(measured: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The lines of agora.md."""
    gain, wins, low = done_when(measured["sines"])
    count = len(measured["sines"])
    holds = gain > 0.02 and wins >= 9 / 12 * count and low > 0
    lines = [
        "# Agora against other ways to spend the same compute",
        "",
        "Made by `make agora-bench`; do not edit. Test accuracy, which nothing was selected by;",
        "paired by seed; BCa bootstrap intervals of the mean difference. A student is a network of",
        "one hidden layer of 16 in NumPy, 24 hyperparameter sets, 2,400 samples a training; in",
        "`tweets` it sees the frozen features of a real MiniLM, and there are 6 sets; in",
        "`template, Bort` it is a converted Bort of the fixtures in Transformers (2 layers of 32,",
        "random weights), 6 sets, 5,760 forward passes a training, at first 32 epochs.",
        "Unlabelled points for pseudo-labels: 300 more of the task; in breast cancer and digits,",
        "those that the teacher learnt from (there are no others).",
        "agora.json has every seed. The tasks are defined in `benchmarks/agora/tasks.py`, the ways",
        "in `benchmarks/agora/ways.py`; tau's radius was set before these seeds",
        "were run, and the Bort's sets were chosen on others.",
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
    return lines


def _table(seeds: Mapping[str, Any]) -> list[str]:
    ours = column(seeds, AGORA, "test")
    cost = column(seeds, AGORA, "cost")
    lines = [
        "| way | test | selected at | cost ÷ Agora's | Agora − it [95 %] | won, tied, lost | |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in names(seeds):
        test, chosen = column(seeds, way, "test"), column(seeds, way, "dev")
        share = column(seeds, way, "cost") / cost
        row = f"| {way} | {test.mean():.3f} | {chosen.mean():.3f} | {share.mean():.3f} |"
        if way == AGORA:
            lines.append(f"{row} | | |")
            continue
        gain = ours - test
        low, high = interval(gain)
        lines.append(
            f"{row} {gain.mean():+.3f} [{low:+.3f}, {high:+.3f}] | {counts(gain)} | "
            f"{verdict(low, high)} |"
        )
    return lines


def _plot(measured: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    rows = -(-len(measured) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(12, 3.2 * rows), squeeze=False)
    for axis in axes.flat[len(measured) :]:
        axis.remove()
    for axis, (task, seeds) in zip(axes.flat, measured.items(), strict=False):
        ways = names(seeds)[::-1]
        axis.boxplot([column(seeds, way, "test") for way in ways], orientation="horizontal")
        axis.set(title=task, xlabel="test accuracy", yticklabels=ways)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
