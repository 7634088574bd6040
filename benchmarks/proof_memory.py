"""What a verified conversion of large files takes: benchmarks/proof_memory.json, and its table.

    python -m benchmarks.proof_memory FOLDER [SIZE ...]

Each file is written with random weights (`tools/large_model.py`), converted, proven and removed:
FOLDER needs three times the largest, 35 GB for all. Memory is that of the command and of the
processes that it starts, together, looked at 20 times a second (Linux).
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.page import PROOF_MEMORY, write_page
from benchmarks.run import HERE, machine, run
from tools.large_model import MODELS, write


def main(folder: Path, sizes: list[str]) -> None:
    """Measure each size, keep the others, and write the page anew."""
    before = json.loads(PROOF_MEMORY.read_text("utf-8")) if PROOF_MEMORY.exists() else {}
    whole = {*sizes} == {*MODELS}  # else what is said of the machine is that of the others
    told = machine() if whole or not before else before["machine"]
    found = before.get("sizes", {}) | {size: measured(size, folder) for size in sizes}
    figures = {size: found[size] for size in MODELS if size in found}
    PROOF_MEMORY.write_text(json.dumps({"machine": told, "sizes": figures}, indent=1) + "\n")
    write_page(json.loads((HERE / "figures.json").read_text("utf-8")), HERE)


def measured(size: str, folder: Path) -> dict[str, Any]:
    """One file: its bytes, and the seconds and the memory of its conversion with the proof."""
    model, source, written = MODELS[size], folder / f"{size}.params", folder / f"{size}.out"
    try:
        write(model, source)
        nbytes = source.stat().st_size
        places = ["--src", str(source), "--dst", str(written), "--force", "--quiet"]
        command = [sys.executable, "-m", "converter", *places, *model.options]
        took = run(command, None)
        passed = json.loads((written / "conversion.json").read_text("utf-8"))
    finally:
        for file in (source, source.with_name(f"{size}-symbol.json")):
            file.unlink(missing_ok=True)
        shutil.rmtree(written, ignore_errors=True)
    found = {"family": model.family, "gb": round(nbytes / 1e9, 2), "wall_s": round(took.wall, 1)}
    found |= {"cpu_s": round(took.cpu, 1), "memory_mb": round(took.memory)}
    found |= {"parity": passed["proof"]["parity"]["passed"]}
    print(size, found, flush=True)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or [*MODELS])
