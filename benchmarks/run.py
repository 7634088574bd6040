"""Measure, in turns, and write benchmarks/figures.json, the plots and benchmarks/README.md.

    python benchmarks/run.py MXNET_PYTHON BENCHMARK_PYTHON FOLDER [--rounds 5] [--sizes 0.1 …]

Every command is a process of its own. A round runs each once, in order; ratios are taken within
a round, since the machine's speed drifts, and medians over the rounds; the first is not counted.
figures.json keeps every round.
FOLDER holds the inputs: a full-size Bort that real MXNet writes, larger files by our own writer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import write_page
from benchmarks.targets import ALONE, VERIFIED
from converter import save_params

HERE = Path(__file__).parent
ROOT = HERE.parent
SIZES = (0.1, 0.5, 2.0, 8.0)  # GB, for cost against size, unless --sizes says otherwise
RECORD_FILE = [sys.executable, "-m", "converter"]
IMPORTS = "import torch; from transformers import BertForMaskedLM"
OWN_IMPORTS = (
    "import gc; from converter.proof.target import import_class; "
    "import_class('BertForMaskedLM'); gc.freeze()"
)


@dataclass(frozen=True)
class Run:
    """One command, seen from outside: wall clock and processor seconds, largest memory in MB."""

    wall: float
    cpu: float
    memory: float


def run(command: list[str], output: Path | None) -> Run:
    """Run `command` to its end; what it wrote, `output`, is removed before and after.

    After too, so that nobody else waits while it goes to the disk.
    """
    _remove(output)
    told = _output([sys.executable, "-m", "benchmarks.watch", *command])
    code, wall, cpu, memory = json.loads(told)
    if code:
        raise SystemExit(f"failed ({code}): {' '.join(command)}")
    _remove(output)
    return Run(wall, cpu, memory / 2**20)


def _remove(output: Path | None) -> None:
    if output is not None:
        shutil.rmtree(output, ignore_errors=True)
        output.unlink(missing_ok=True)


def _output(command: list[str], *, errors: bool = False) -> str:
    """What a command prints, or else what it says on stderr."""
    done = subprocess.run(
        command,
        stdout=None if errors else subprocess.PIPE,
        stderr=subprocess.PIPE if errors else None,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        text=True,
    )
    return done.stderr if errors else done.stdout


Commands = Mapping[str, tuple[list[str], Path | None]]


def in_turns(commands: Commands, rounds: int) -> Any:
    """Every command once a round, in order; the first round is not counted."""
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        this = {name: run(*command) for name, command in commands.items()}
        print(f"round {number}", {name: round(r.wall, 2) for name, r in this.items()}, flush=True)
        if number:
            for name, result in this.items():
                found[name].append(result)
    return {
        name: {
            "wall_s": [round(r.wall, 4) for r in results],
            "cpu_s": [round(r.cpu, 4) for r in results],
            "memory_mb": [round(r.memory, 1) for r in results],
        }
        for name, results in found.items()
    }


def bort(mxnet: str, bench: str, folder: Path, rounds: int) -> Any:
    """The full-size Bort, by every way there is."""
    source, written, report = (
        folder / name for name in ("bort.params", "model.safetensors", "report.json")
    )
    if not source.exists():
        make = [mxnet, "-W", "ignore", str(ROOT / "fixtures" / "make_full.py"), str(source)]
        subprocess.run(make, check=True)
    once = folder / "once"
    _remove(once)
    _output([*RECORD_FILE, "--no-verify", *_from_to(source, once)])
    shutil.move(once / "model.safetensors", written)
    shutil.move(once / "conversion.json", report)
    _remove(once)
    peers = [bench, "-W", "ignore", str(HERE / "peers.py")]

    def way(command: list[str], name: str, *more: str) -> tuple[list[str], Path]:
        return [*command, str(source), str(folder / name), *more], folder / name

    def ours(name: str, *options: str) -> tuple[list[str], Path]:
        return [*RECORD_FILE, *options, *_from_to(source, folder / name)], folder / name

    unflushed = "import os; os.fsync = lambda f: None; from converter.cli.main import main; main()"
    commands: Commands = {
        "cp of the bytes written": (["cp", str(written), str(folder / "cp")], folder / "cp"),
        "python -c 'import numpy'": ([sys.executable, "-c", "import numpy"], None),
        "bort-convert --no-verify": ours("fast", "--no-verify"),
        "bort-convert --no-verify, no fsync": (
            [sys.executable, "-c", unflushed, "--no-verify", *_from_to(source, folder / "risky")],
            folder / "risky",
        ),
        VERIFIED: ours("proven"),
        ALONE: ours("alone", "--jobs", "1"),
        "import torch, BertForMaskedLM": ([sys.executable, "-c", IMPORTS], None),
        "the same, as bort-convert imports it": ([sys.executable, "-c", OWN_IMPORTS], None),
        "load_params + safetensors save_file": way(
            [sys.executable, str(HERE / "peers.py"), "save_file"], "save_file"
        ),
        "mx.nd.load alone": ([*peers, "load", str(source)], None),
        "mx.nd.load + torch + safetensors": way([*peers, "by_hand"], "by_hand"),
        "the old way": way([*peers, "old_way"], "old_way", str(report)),
    }
    return in_turns(commands, rounds)


def _from_to(source: Path, destination: Path) -> list[str]:
    return ["--src", str(source), "--dst", str(destination)]


def stages(folder: Path, rounds: int) -> Any:
    """Seconds of every stage of a conversion, verified and not."""
    found = {}
    for name, options in (("verified", []), ("--no-verify", ["--no-verify"])):
        seconds: dict[str, list[float]] = {}
        for number in range(rounds + 1):
            _remove(folder / "staged")
            command = [sys.executable, "-m", "benchmarks.stages", str(folder / "bort.params")]
            this = json.loads(_output([*command, str(folder / "staged"), *options]))
            for stage, taken in this.items() if number else ():
                seconds.setdefault(stage, []).append(round(taken, 4))
        _remove(folder / "staged")
        found[name] = seconds
    return found


def imports() -> Any:
    """What importing the Transformers class is made of: seconds of each package's own modules."""
    found: dict[str, float] = {}
    for number in range(2):  # the first one fills the page cache
        told = _output([sys.executable, "-X", "importtime", "-c", IMPORTS], errors=True)
        for line in told.splitlines() if number else ():
            parts = line.removeprefix("import time:").split("|")
            if len(parts) == 3 and parts[0].strip().isdigit():
                package = parts[2].strip().split(".")[0]
                found[package] = found.get(package, 0) + int(parts[0]) / 1e6
    largest = sorted(found, key=lambda package: -found[package])
    return {package: round(found[package], 3) for package in largest}


def growth(folder: Path, rounds: int, sizes: list[float]) -> Any:
    """`export` of files of growing size (GB) against cp of the same file."""
    found = {}
    for size in sizes:
        source, target = folder / f"{size}.params", folder / "grown.safetensors"
        rows = round(size * 1e9 / 64 / 4096)
        block = np.arange(rows * 1024, dtype="<f4").reshape(rows, 1024)
        save_params(source, {f"layer.{n}.weight": block for n in range(64)}, force=True)
        del block
        copied = folder / "grown.cp"
        commands: Commands = {
            "cp": (["cp", str(source), str(copied)], copied),
            "export": ([*RECORD_FILE, "export", "--no-verify", str(source), str(target)], target),
        }
        found[str(size)] = in_turns(commands, rounds)
        source.unlink()
    return found


def machine() -> dict[str, Any]:
    """Where the figures were taken."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":")[1] for line in info.read_text().splitlines() if "model name" in line
        ]
        cpu = names[0].strip() if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description="Measure bort-convert against its peers.")
    parser.add_argument("mxnet")
    parser.add_argument("bench")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=float, nargs="+", default=[*SIZES], metavar="GB")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "machine": machine(),
        "rounds": options.rounds,
        "bort": bort(options.mxnet, options.bench, options.folder, options.rounds),
        "stages": stages(options.folder, options.rounds),
        "imports": imports(),
        "growth": growth(options.folder, min(3, options.rounds), options.sizes),
    }
    (HERE / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    write_page(figures, HERE)


if __name__ == "__main__":
    main()
