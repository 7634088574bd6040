"""figures.json → the page a person reads, and its plots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "bort-convert"  # the same figures give the same file
from matplotlib import pyplot as plt  # noqa: E402  (the backend is chosen first)

from benchmarks.agora.compare import in_short as agora  # noqa: E402
from benchmarks.targets import CP, FAST, UNFLUSHED, in_short, slope, targets, wall_ratio  # noqa: E402

RECORD_FILE = "bort-convert"
AGORA = Path(__file__).with_name("agora.json")
PROOF_MEMORY = Path(__file__).with_name("proof_memory.json")


def write_page(figures: Mapping[str, Any], folder: Path) -> None:
    """Write README.md, wall.svg, memory.svg and growth.svg into `folder`."""
    bort, growth, machine = figures["bort"], figures["growth"], figures["machine"]
    proofs = json.loads(PROOF_MEMORY.read_text("utf-8"))
    _bars(bort, "wall_s", "seconds (median)", folder / "wall.svg")
    _bars(bort, "memory_mb", "peak memory, MB (median)", folder / "memory.svg")
    _lines(growth, folder / "growth.svg")
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; do not edit. Compare ratios, not seconds: they are taken within a",
        f"round, medians of {figures['rounds']} rounds in turn after one that is not counted. What",
        "a command wrote is removed before the next one runs. figures.json has every round.",
        "Agora's table is at the end; it is made by `make agora-bench`.",
        "",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, warm page cache; {machine['date']}, load average "
        f"{machine['load']} at the start (above 0.5 others were at work: run it again).",
        "",
        "## In short",
        "",
        in_short(figures),
        "",
        "## What was to be reached",
        "",
        "| what | target | measured | |",
        "|---|---|---|---|",
        *map(str, targets(figures, proofs["sizes"])),
        "",
        "Where one is missed: `--no-verify` cannot take less than importing NumPy, click and",
        "this program does (the first row of the stages below); a file larger than what the",
        "system keeps in memory waits for the disk, and so does its `cp`; a second process holds",
        "NumPy and this program once more.",
        "",
        "## A full-size Bort with its decoder (511 MB, written by real MXNet; 305 MB are written)",
        "",
        "| what | wall s (min-max) | ÷ `cp` | CPU s | peak MB |",
        "|---|---|---|---|---|",
        *_peers(bort),
        "",
        "![wall time](wall.svg)",
        "",
        "![peak memory](memory.svg)",
        "",
        "`cp` leaves what it wrote in memory. `fsync` before the rename makes certain that no",
        "power cut leaves a directory with empty weights; without it `--no-verify` takes "
        f"{wall_ratio(bort, lambda w: w[UNFLUSHED], lambda w: w[FAST]):.2f} of the time.",
        "The disk begins while the rest is written (`sync_file_range`): little is left to do.",
        "",
        "## Where the time goes",
        "",
        *_stages(figures["stages"]),
        "",
        "Without proof, importing Python's own modules, NumPy, click and this program is the floor",
        "that no file size changes; the rest is `cp` plus a compare of the tied tensor, a look for",
        "NaN and the flush. What no run without proof needs is not imported (a test holds it).",
        "",
        "With proof, importing torch and Transformers takes longest. Modules' own time by package,",
        "as `python -X importtime` tells it for `from transformers import BertForMaskedLM`:",
        "",
        *_imports(figures["imports"]),
        "",
        "Transformers 5 imports torch's distributed tensors (with sympy), torch._dynamo and",
        "scipy.optimize on the way to any model class; a model class's own module costs the same,",
        "and no documented setting leaves them out. Avoided is what Python's garbage collector",
        "adds: it is off while they are imported, and at the end of the command it does not",
        "search them. A thread would hold the interpreter's lock while it imports, and all other",
        "work would wait: a second process imports them, beside writing, bits and GluonNLP's side.",
        "What the stages above show of importing is what is waited for after these.",
        "",
        "## Cost against size: `bort-convert export` without its check, 64 tensors",
        "",
        "| GB | export s | ÷ `cp` of the file | peak MB |",
        "|---|---|---|---|",
        *_sizes(growth),
        "",
        "Slope: " + ", ".join(_slopes(growth)) + ".",
        "",
        "![cost against size](growth.svg)",
        "",
        "## Cost of the proof against size",
        "",
        *_proofs(proofs),
        "",
        "## Agora",
        "",
        "All columns, costs and pruning rules: [agora.md](agora.md).",
        "",
        *agora(json.loads(AGORA.read_text("utf-8"))),
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", "utf-8")


def _peers(bort: Mapping[str, Any]) -> Iterator[str]:
    for name, r in bort.items():
        ratio = wall_ratio(bort, lambda w, n=name: w[n], lambda w: w[CP])
        wall = r["wall_s"]
        yield (
            f"| {name} | {median(wall):.2f} ({min(wall):.2f}-{max(wall):.2f}) "
            f"| {ratio:.1f} | {median(r['cpu_s']):.2f} | {median(r['memory_mb']):.0f} |"
        )


def _stages(stages: Mapping[str, Any]) -> Iterator[str]:
    names = [*dict.fromkeys(stage for run in stages.values() for stage in run)]
    yield f"| seconds (median) | {' | '.join(stages)} |"
    yield "|---" * (len(stages) + 1) + "|"
    for name in names:
        cells = [f"{median(run[name]):.2f}" if name in run else "" for run in stages.values()]
        yield f"| {name} | {' | '.join(cells)} |"
    sums = [sum(median(seconds) for seconds in run.values()) for run in stages.values()]
    yield f"| sum | {' | '.join(f'{total:.2f}' for total in sums)} |"


def _imports(found: Mapping[str, float]) -> Iterator[str]:
    yield "| package | seconds |"
    yield "|---|---|"
    yield from (f"| {package} | {seconds:.2f} |" for package, seconds in [*found.items()][:8])
    yield f"| all | {sum(found.values()):.2f} |"


def _sizes(growth: Mapping[str, Any]) -> Iterator[str]:
    for size, r in growth.items():
        ratio = wall_ratio(r, lambda w: w["export"], lambda w: w["cp"])
        wall, peak = median(r["export"]["wall_s"]), median(r["export"]["memory_mb"])
        yield f"| {size} | {wall:.2f} | {ratio:.2f} | {peak:.0f} |"


def _proofs(found: Mapping[str, Any]) -> Iterator[str]:
    machine, sizes = found["machine"], found["sizes"].values()
    yield "Made by `make proof-memory`: GPT-2 (up to 1558M), T5 (small, base, 3B) and graphs (8 and"
    yield "32 Dense of 4096 × 4096) with random weights by our own writer, converted and verified"
    yield "once. Memory is of all its processes together, of which importing torch takes about"
    yield "0.3 GB, and with Transformers 0.4 GB."
    yield f"{machine['date']}, {machine['cores']} cores, load average {machine['load']}: above 0.5"
    yield "others were at work, and seconds of the clock count for little."
    yield ""
    yield "| model | GB | parity | peak MB | CPU s | CPU s a GB | wall s |"
    yield "|---|---|---|---|---|---|---|"
    for r in sorted(sizes, key=lambda r: (r["family"], r["gb"])):
        passed = "passed" if r["parity"] else "FAILED"
        name = r["family"].removesuffix("_1x")
        yield (
            f"| {name} | {r['gb']:.2f} | {passed} | {r['memory_mb']:,} | {r['cpu_s']:.0f} "
            f"| {r['cpu_s'] / r['gb']:.0f} | {r['wall_s']:.0f} |"
        )
    yield ""
    yield "T5 is run on 1,050 positions, so that every distance is met, and twice by GluonNLP's"
    yield "arithmetic; GPT-2 once, on 96: a GB of the one costs more than a GB of the other."


def _slopes(growth: Mapping[str, Any]) -> Iterator[str]:
    sizes = sorted(growth, key=float)
    for small, large in pairwise(sizes):
        own, copied = (slope(growth, small, large, name) for name in ("export", "cp"))
        yield f"{own:.2f} s a GB from {small} to {large} GB (`cp`: {copied:.2f})"


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(results: Mapping[str, Any], field: str, label: str, path: Path) -> None:
    names = [*results][::-1]
    figure, axes = plt.subplots(figsize=(8, 4))
    colours = ["tab:orange" if name.startswith(RECORD_FILE) else "tab:gray" for name in names]
    values = [median(results[name][field]) for name in names]
    bars = axes.barh(names, values, color=colours)
    axes.bar_label(bars, fmt="{:,.3g}", padding=3)
    axes.set_xlabel(label)
    axes.margins(x=0.12)
    _save(figure, path)


def _lines(growth: Mapping[str, Any], path: Path) -> None:
    sizes = [float(size) for size in growth]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5))
    for name, colour in (("cp", "tab:gray"), ("export", "tab:orange")):
        for axes, field in ((left, "wall_s"), (right, "memory_mb")):
            values = [median(r[name][field]) for r in growth.values()]
            axes.plot(sizes, values, "o-", label=name, color=colour)
    left.set(xlabel="GB", ylabel="seconds (median)")
    left.legend()
    right.set(xlabel="GB", ylabel="peak memory, MB", ylim=(0, None))
    _save(figure, path)
