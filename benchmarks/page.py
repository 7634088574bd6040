"""figures.json → the page a person reads, and its plots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "bort-convert"  # the same figures give the same file
from matplotlib import pyplot as plt  # noqa: E402  (the backend is chosen first)

OURS = "bort-convert"


def write_page(figures: Mapping[str, Any], folder: Path) -> None:
    """Write README.md, wall.svg, memory.svg and growth.svg into `folder`."""
    bort, growth = figures["bort"], figures["growth"]
    _bars(bort, "wall_s", "seconds (median)", folder / "wall.svg")
    _bars(bort, "memory_mb", "peak memory, MB (median)", folder / "memory.svg")
    _lines(growth, folder / "growth.svg")
    machine = figures["machine"]
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; do not edit. Compare ratios, not seconds: they are taken within a",
        f"round, medians of {figures['rounds']} rounds in turn after one that is not counted.",
        "",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, warm page cache.",
        "",
        "## A full-size Bort with its decoder (511 MB, written by real MXNet; 305 MB are written)",
        "",
        "| what | wall s (min-max) | ÷ `cp` | CPU s | peak MB |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {r['wall_s']:.2f} ({r['wall_min_s']:.2f}-{r['wall_max_s']:.2f}) "
            f"| {r['ratio']:.1f} | {r['cpu_s']:.2f} | {r['memory_mb']:.0f} |"
            for name, r in bort.items()
        ),
        "",
        "![wall time](wall.svg)",
        "",
        "![peak memory](memory.svg)",
        "",
        "## Cost against size: `bort-convert export` without its check, 64 tensors",
        "",
        "| GB | export s | ÷ `cp` of the file | peak MB |",
        "|---|---|---|---|",
        *(
            f"| {size} | {r['export']['wall_s']:.2f} | {r['export']['ratio']:.2f} "
            f"| {r['export']['memory_mb']:.0f} |"
            for size, r in growth.items()
        ),
        "",
        "![cost against size](growth.svg)",
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", "utf-8")


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(results: Mapping[str, Any], field: str, label: str, path: Path) -> None:
    names = [*results][::-1]
    figure, axes = plt.subplots(figsize=(8, 4))
    colours = ["tab:orange" if name.startswith(OURS) else "tab:gray" for name in names]
    bars = axes.barh(names, [results[name][field] for name in names], color=colours)
    axes.bar_label(bars, fmt="{:,.3g}", padding=3)
    axes.set_xlabel(label)
    axes.margins(x=0.12)
    _save(figure, path)


def _lines(growth: Mapping[str, Any], path: Path) -> None:
    sizes = [float(size) for size in growth]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5))
    for name, colour in (("cp", "tab:gray"), ("export", "tab:orange")):
        left.plot(
            sizes, [r[name]["wall_s"] for r in growth.values()], "o-", label=name, color=colour
        )
        right.plot(sizes, [r[name]["memory_mb"] for r in growth.values()], "o-", color=colour)
    left.set(xlabel="GB", ylabel="seconds (median)")
    left.legend()
    right.set(xlabel="GB", ylabel="peak memory, MB", ylim=(0, None))
    _save(figure, path)
