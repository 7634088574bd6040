"""What a verified conversion of large files takes: benchmarks/proof_memory.json, and its table.

    python -m benchmarks.proof_memory FOLDER [SIZE ...]

Each file is written with random weights (`tools/large_model.py`), converted, proven and removed:
FOLDER needs three times the largest, 35 GB for all. Memory is that of the command and of the
processes that it starts, together, looked at 20 times a second (Linux).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.page import PROOF_MEMORY, write_page
from benchmarks.run import HERE, machine
from tools.large_model import MODELS, write

EVERY = 0.05  # seconds


def main(folder: Path, sizes: list[str]) -> None:
    """Measure each size, and write the page anew."""
    figures = {size: measured(size, folder) for size in sizes}
    PROOF_MEMORY.write_text(json.dumps({"machine": machine(), "sizes": figures}, indent=1) + "\n")
    write_page(json.loads((HERE / "figures.json").read_text("utf-8")), HERE)


def measured(size: str, folder: Path) -> dict[str, Any]:
    """One file: its bytes, and the seconds and the memory of its conversion with the proof."""
    model, source, written = MODELS[size], folder / f"{size}.params", folder / f"{size}.out"
    try:
        write(model, source)
        nbytes = source.stat().st_size
        places = ["--src", str(source), "--dst", str(written), "--force", "--quiet"]
        command = [sys.executable, "-m", "converter", *places, *model.options]
        wall, cpu, peak = watched(command)
        passed = json.loads((written / "conversion.json").read_text("utf-8"))
    finally:
        source.unlink(missing_ok=True)
        shutil.rmtree(written, ignore_errors=True)
    found = {"family": model.family, "gb": round(nbytes / 1e9, 2), "wall_s": round(wall, 1)}
    found |= {"cpu_s": round(cpu, 1), "memory_mb": round(peak / 1e6)}
    found |= {"parity": passed["proof"]["parity"]["passed"]}
    print(size, found, flush=True)
    return found


def watched(command: list[str]) -> tuple[float, float, int]:
    """Seconds of the clock and of the processor, and bytes at most. Raises when it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(command)
    most, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(EVERY):
            most[0] = max(most[0], sum(map(_resident, _family(process.pid))))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        ended.set()
        looking.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    own = usage.ru_maxrss * 1024  # between two looks there may have been more
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, max(most[0], own)


def _family(process: int) -> list[int]:
    """A process and those that it started."""
    try:
        tasks = [*Path(f"/proc/{process}/task").iterdir()]
        children = [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return [process]
    return [process, *(number for child in children for number in _family(child))]


def _resident(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or [*MODELS])
