"""Real MXNet writes full-size models with random weights; each is converted and verified.

    python -m tools.full MXNET_PYTHON FOLDER MODEL [MODEL ...]

Shows how far each converted model is from what MXNet + GluonNLP themselves computed, and what the
verified run took; fails when a hidden state is further than 1e-5. The files stay in FOLDER.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import converter
from converter.report.terminal import summary

ROOT = Path(__file__).parents[1]
ATOL = 1e-5


def main(mxnet_python: str, folder: Path, *models: str) -> None:
    """Write, convert and verify every model."""
    for model in models:
        source = folder / "sources" / model / f"{model}.params"
        golden = source.with_suffix(".golden.npz")
        if not golden.exists():
            source.parent.mkdir(parents=True, exist_ok=True)
            options = ["--model", model, "--golden", str(golden)]
            script = str(ROOT / "fixtures" / script_of(model))
            command = [mxnet_python, "-W", "ignore", script, str(source), *options]
            subprocess.run(command, check=True)
        destination = folder / model
        seconds, megabytes = measured(
            "--src", str(source), "--dst", str(destination), "--force", "--quiet"
        )
        report = converter.verify(source, destination, golden=golden, atol=ATOL)
        print("\n".join(summary(report)))
        size = source.stat().st_size / 1e6
        print(f"{size:,.0f} MB converted and verified in {seconds:.1f} s, {megabytes:,.0f} MB\n")


def script_of(model: str) -> str:
    """The script of `fixtures/` that writes a model; those of 1.x have the zoo's own names."""
    if model.startswith(("google_", "fairseq_")):
        return "make_1x_full.py"
    return "make_full.py" if model.startswith("bort") else "make_zoo_full.py"


def measured(*arguments: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of one `bort-convert`. Raises `SystemExit` when it fails."""
    begin = time.perf_counter()
    command = subprocess.Popen([sys.executable, "-m", "converter", *arguments])
    _, status, usage = os.wait4(command.pid, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
