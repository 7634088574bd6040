"""`python -m benchmarks.agora.run FOLDER`: every way, task and seed; figures and page."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agora.student import write_text
from benchmarks.agora.compare import AGORA, MAJORITY
from benchmarks.agora.page import write_page
from benchmarks.agora.tasks import TASKS
from benchmarks.agora.ways import more_ways, ways

SEEDS = range(12)


def measure(task: str, seed: int, known: dict[str, Any]) -> dict[str, Any]:
    """The ways that are not yet `known` on one seed of a task: all figures, and the seconds."""
    began = time.perf_counter()
    problem = TASKS[task](seed)
    if AGORA in known:  # by an earlier run, to whose cost the others are held
        found = more_ways(problem, seed, known[AGORA]["cost"])
    else:
        found = ways(problem, seed)
    known = known | {name: asdict(measured) for name, measured in found}
    return {"ways": known, "seconds": time.perf_counter() - began}


def main(folder: Path) -> None:
    """Measure what `folder`/agora.json does not have yet, and write the page."""
    path = folder / "agora.json"
    figures: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    for task in TASKS:
        seeds = figures.setdefault(task, {})
        for seed in SEEDS:
            known = seeds.get(str(seed), {"ways": {}, "seconds": 0.0})
            if MAJORITY in known["ways"]:
                continue
            found = measure(task, seed, known["ways"])
            seeds[str(seed)] = {**found, "seconds": known["seconds"] + found["seconds"]}
            write_text(path, json.dumps(figures, indent=1) + "\n")
            print(f"{task}, seed {seed}: {found['seconds']:.0f} s", flush=True)
    write_page({task: figures[task] for task in TASKS}, folder)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
