"""`python -m benchmarks.agora.run FOLDER [WORKERS]`: every way, task and seed; figures and page."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agora import Ledger
from agora.errors import LeakageWarning
from agora.student import write_text
from benchmarks.agora.page import write_page
from benchmarks.agora.tasks import TASKS
from benchmarks.agora.ways import ways

SEEDS = range(12)


def measure(task: str, seed: int) -> dict[str, Any]:
    """All ways on one seed of a task: their figures, and the seconds of all together."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakageWarning)  # the record counts them
        figures = {name: asdict(found) for name, found in ways(TASKS[task](seed), seed, Ledger())}
    return {"ways": figures, "seconds": time.perf_counter() - began}


def main(folder: Path, workers: int) -> None:
    """Measure what `folder`/agora.json does not have yet, and write the page."""
    path = folder / "agora.json"
    figures: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    with ProcessPoolExecutor(workers) as pool:
        for task in TASKS:
            seeds = figures.setdefault(task, {})
            missing = [seed for seed in SEEDS if str(seed) not in seeds]
            for seed, found in zip(
                missing, pool.map(measure, [task] * len(missing), missing), strict=True
            ):
                seeds[str(seed)] = found
                write_text(path, json.dumps(figures, indent=1) + "\n")
                print(f"{task}, seed {seed}: {found['seconds']:.0f} s", flush=True)
    write_page({task: figures[task] for task in TASKS}, folder)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2)
