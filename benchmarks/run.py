"""Measure, in turns, and write benchmarks/figures.json, the plots and benchmarks/README.md.

    python benchmarks/run.py MXNET_PYTHON BENCHMARK_PYTHON FOLDER [--rounds 5] [--sizes 0.1 …]

Every command is a process of its own. A round runs each once, in order; ratios are taken within
a round, since the machine's speed drifts, and medians over the rounds; the first is not counted.
FOLDER holds the inputs: a full-size Bort that real MXNet writes, larger files by our own writer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import write_page
from converter import save_params

HERE = Path(__file__).parent
ROOT = HERE.parent
SIZES = (0.1, 0.5, 2.0, 8.0)  # GB, for cost against size, unless --sizes says otherwise
OURS = [sys.executable, "-m", "converter"]


@dataclass(frozen=True)
class Run:
    """One process, seen from outside: wall clock and processor seconds, largest memory in MB."""

    wall: float
    cpu: float
    memory: float


def run(command: list[str], output: Path | None) -> Run:
    """Run `command` to its end; what it wrote, `output`, is removed before, not after."""
    if output is not None:
        shutil.rmtree(output, ignore_errors=True)
        output.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = (
        "import json,os,resource,subprocess,sys,time\n"
        "t=time.perf_counter()\n"
        "done=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=subprocess.PIPE)\n"
        "wall=time.perf_counter()-t\n"
        "used=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "sys.stderr.buffer.write(done.stderr) if done.returncode else None\n"
        "print(json.dumps([done.returncode,wall,used.ru_utime+used.ru_stime,used.ru_maxrss/1024]))"
    )
    # A small process in between: a child's peak memory would count what its parent had at the fork.
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        stdout=subprocess.PIPE,
        env=environment,
        check=True,
    )
    code, wall, cpu, memory = json.loads(done.stdout)
    if code:
        raise SystemExit(f"failed ({code}): {' '.join(command)}")
    return Run(wall, cpu, memory)


Commands = Mapping[str, tuple[list[str], Path | None]]


def in_turns(commands: Commands, rounds: int, base: Callable[[Mapping[str, Run]], float]) -> Any:
    """Medians of every command, and of its wall time ÷ `base` of the same round."""
    found: dict[str, list[Run]] = {name: [] for name in commands}
    ratios: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        this = {name: run(*command) for name, command in commands.items()}
        print(f"round {number}", {name: round(r.wall, 2) for name, r in this.items()}, flush=True)
        if number:
            for name, result in this.items():
                found[name].append(result)
                ratios[name].append(result.wall / base(this))
    return {
        name: {
            "wall_s": statistics.median(r.wall for r in results),
            "wall_min_s": min(r.wall for r in results),
            "wall_max_s": max(r.wall for r in results),
            "cpu_s": statistics.median(r.cpu for r in results),
            "memory_mb": statistics.median(r.memory for r in results),
            "ratio": statistics.median(ratios[name]),
        }
        for name, results in found.items()
    }


def bort(mxnet: str, bench: str, folder: Path, rounds: int) -> Any:
    """The full-size Bort, by every way there is."""
    source, report = folder / "bort.params", folder / "verified" / "conversion.json"
    if not source.exists():
        make = [mxnet, "-W", "ignore", str(ROOT / "fixtures" / "make_full.py"), str(source)]
        subprocess.run(make, check=True)
    run([*OURS, "--src", str(source), "--dst", str(folder / "verified")], folder / "verified")
    written = folder / "model.safetensors"
    shutil.copy(folder / "verified" / "model.safetensors", written)
    peers = [bench, "-W", "ignore", str(HERE / "peers.py")]

    def way(command: list[str], name: str, *more: str) -> tuple[list[str], Path]:
        return [*command, str(source), str(folder / name), *more], folder / name

    commands: Commands = {
        "cp of the bytes written": (["cp", str(written), str(folder / "cp")], folder / "cp"),
        "python -c 'import numpy'": ([sys.executable, "-c", "import numpy"], None),
        "bort-convert --no-verify": (
            [*OURS, "--no-verify", "--src", str(source), "--dst", str(folder / "fast")],
            folder / "fast",
        ),
        "bort-convert, verified": (
            [*OURS, "--src", str(source), "--dst", str(folder / "proven")],
            folder / "proven",
        ),
        "import torch, BertForMaskedLM": (
            [sys.executable, "-c", "import torch; from transformers import BertForMaskedLM"],
            None,
        ),
        "load_params + safetensors save_file": way(
            [sys.executable, str(HERE / "peers.py"), "save_file"], "save_file"
        ),
        "mx.nd.load alone": ([*peers, "load", str(source)], None),
        "mx.nd.load + torch + safetensors": way([*peers, "by_hand"], "by_hand"),
        "the old way": way([*peers, "old_way"], "old_way", str(report)),
    }
    return in_turns(commands, rounds, lambda r: r["cp of the bytes written"].wall)


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
            "export": ([*OURS, "export", "--no-verify", str(source), str(target)], target),
        }
        found[str(size)] = in_turns(commands, rounds, lambda r: r["cp"].wall)
        for path in (source, target, copied):
            path.unlink()
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
        "growth": growth(options.folder, max(3, options.rounds // 2), options.sizes),
    }
    (HERE / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    write_page(figures, HERE)


if __name__ == "__main__":
    main()
