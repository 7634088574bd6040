"""How fast the converted Bort is, beside what its page compares it with, and beside MXNet.

    python -m benchmarks.bort MXNET_PYTHON FOLDER [ROUNDS]

Writes benchmarks/bort.json and the plots of docs/bort.md. Every model is a process of its own that
waits for work (bort_forward.py); in a round each runs once, in turn, and ratios are taken within a
round. The first round is not counted: compiling and first touches of memory are in it. The other
models have random weights: how fast they are does not depend on them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bort_forward import PEERS

HERE = Path(__file__).parent
FIGURES = HERE / "bort.json"
PLOT = HERE.parent / "docs" / "pictures" / "bort-speed.svg"
SHAPES = ("1 128", "1 512", "8 128", "8 512")  # texts, tokens of each
BORT, OTHER = "Bort", "Bort 2×16"
BORTS = {BORT: "bort_4_8_768_1024", OTHER: "bort_2_16_512_1024"}
COMPILED, ORIGINAL = "Bort, torch.compile", "Bort, MXNet 1.5.0"
ATTENTIONS = ("eager", "sdpa")
PUBLISHED = 7.9  # times faster than BERT-large on a CPU, by alexa/bort's page


def main(mxnet: str, folder: Path, rounds: int = 3) -> None:
    """Measure and write."""
    from benchmarks.run import machine  # it plots, and the tables are made without

    folder.mkdir(parents=True, exist_ok=True)
    written = {name: _converted(mxnet, model, folder) for name, model in BORTS.items()}
    figures: dict[str, Any] = {"machine": machine(), "rounds": rounds}
    torch = [sys.executable, str(HERE / "bort_forward.py"), "torch"]
    for attention in ATTENTIONS:
        commands = {name: [*torch, str(path / "out"), attention] for name, path in written.items()}
        commands |= {name: [*torch, name, attention] for name in PEERS}
        if attention == "sdpa":
            commands[COMPILED] = [*torch, str(written[BORT] / "out"), "compiled"]
            source = str(written[BORT] / "bort.params")
            commands[ORIGINAL] = [mxnet, "-W", "ignore", torch[1], "mxnet", source]
        figures[attention] = in_turns(commands, rounds)
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    plot(figures, PLOT)


def _converted(mxnet: str, model: str, folder: Path) -> Path:
    """A full-size Bort by real MXNet, without decoder, and what the converter makes of it."""
    place = folder / model
    if not (place / "out").exists():
        place.mkdir(exist_ok=True)
        script = HERE.parent / "fixtures" / "make_full.py"
        source = str(place / "bort.params")
        make = [mxnet, "-W", "ignore", str(script), source, "--model", model, "--no-decoder"]
        subprocess.run(make, check=True)
        convert = [sys.executable, "-m", "converter", source, str(place / "out")]
        subprocess.run(convert, check=True, stdout=subprocess.DEVNULL)
    return place


def in_turns(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Any]:
    """Seconds of each command's model by shape and round, its size and peak memory."""
    found: dict[str, Any] = {}
    processes = {}
    try:
        for name, command in commands.items():
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            processes[name] = process
            found[name] = json.loads(_line(name, process)) | {shape: [] for shape in SHAPES}
        for number in range(rounds + 1):
            for shape in SHAPES:
                for name, process in processes.items():
                    assert process.stdin
                    print(shape, file=process.stdin, flush=True)
                    seconds = float(_line(name, process))
                    found[name][shape] += [round(seconds, 4)] * bool(number)
            print(f"round {number}", {n: found[n][SHAPES[-1]][-1:] for n in found}, flush=True)
        for name, process in processes.items():
            assert process.stdin
            process.stdin.close()
            found[name]["peak_mb"] = round(float(_line(name, process)))
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return found


def _line(name: str, process: subprocess.Popen[str]) -> str:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{name} ended with {process.wait()}")
    return line


def faster(figures: Mapping[str, Any], name: str, shape: str, attention: str = "sdpa") -> float:
    """How many times faster than `name` the converted Bort is: the median of the rounds' ratios."""
    runs = figures[attention]
    rounds = zip(runs[name][shape], runs[BORT][shape], strict=True)
    return float(median(theirs / ours for theirs, ours in rounds))


def bort_speed() -> str:
    """The tables of docs/bort.md, from the last figures."""
    return "\n".join(_tables(json.loads(FIGURES.read_text("utf-8"))))


def _tables(figures: Mapping[str, Any]) -> Iterator[str]:
    machine, runs = figures["machine"], figures["sdpa"]
    large = runs["BERT-large"]
    yield "| model | parameters | of BERT-large's | in the layers | of BERT-large's | peak MB |"
    yield "|---|---|---|---|---|---|"
    for name, run in runs.items():
        if name not in (COMPILED, ORIGINAL):
            shares = (f"{run[key] / large[key]:.1%}" for key in ("parameters", "encoder"))
            whole, layers = (f"{run[key] / 1e6:.1f} M" for key in ("parameters", "encoder"))
            first, second = shares
            yield f"| {name} | {whole} | {first} | {layers} | {second} | {run['peak_mb']:,} |"
    yield ""
    shapes = [f"{batch} × {length}" for batch, length in map(str.split, SHAPES)]
    yield f"| texts × tokens | attention | {' | '.join(shapes)} |"
    yield "|---" * (len(SHAPES) + 2) + "|"
    cells = [f"{1000 * median(runs[BORT][shape]):,.0f} ms" for shape in SHAPES]
    yield f"| **{BORT}**, time of one pass | sdpa | {' | '.join(cells)} |"
    for attention in ATTENTIONS:
        for name in figures[attention]:
            if name != BORT:
                ratios = [f"{faster(figures, name, s, attention):.2f} ×" for s in SHAPES]
                how = "–" if name == ORIGINAL else attention
                yield f"| {name} ÷ Bort | {how} | {' | '.join(ratios)} |"
    yield ""
    yield (
        f"Medians of {figures['rounds']} rounds in turns on {machine['cpu']}, {machine['cores']} "
        f"cores, {machine['date']}, load average {machine['load']} at the start."
    )


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """How many times slower than the converted Bort each is; and their memory."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "bort-convert"  # the same figures give the same file
    from matplotlib import pyplot as plt

    names = [name for name in figures["sdpa"] if name != BORT]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    high = 0.8 / len(SHAPES)
    for number, shape in enumerate(SHAPES):
        places = [place + number * high for place in range(len(names))]
        values = [faster(figures, name, shape) for name in names]
        left.barh(places, values, high, label="{} × {}".format(*shape.split()))
    left.set_yticks([place + 0.4 - high / 2 for place in range(len(names))], names)
    left.axvline(1, color="black", linewidth=0.8)
    left.set_xlabel("time ÷ Bort's (sdpa)")
    left.legend(title="texts × tokens", loc="lower right")
    both = [*figures["sdpa"]]
    bars = right.barh(both, [figures["sdpa"][name]["peak_mb"] for name in both], color="tab:gray")
    right.bar_label(bars, fmt="{:,.0f}", padding=3)
    right.set_xlabel("peak memory, MB")
    right.margins(x=0.15)
    for axes in (left, right):
        axes.invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
