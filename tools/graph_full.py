"""Real MXNet writes networks of real size; each is converted with its proof, and compared with it.

    python -m tools.graph_full FOLDER [NAME ...]

A line of fixtures/graph/full.json for each, from which docs/graph-models.md is made. A model that
stands there is not done again, unless it is named; what was written is deleted behind it. One runs
at a time. Fails when a model cannot be converted, or its outputs are further from MXNet's than
1e-5 of their largest value and `REASONS` does not say why.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "fixtures" / "graph" / "full.json"
SCRIPT = ROOT / "fixtures" / "graph" / "make_full.py"
ALLOWED = 1e-5
# Why the outputs of a model may be further off than `ALLOWED`, as the table says it
REASONS: dict[str, str] = {}


def main(folder: Path, names: Sequence[str] = ()) -> None:
    """Do every model that is not done."""
    figures: dict[str, Any] = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    for name, group, environment in models():
        if name in names if names else name not in figures:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            figures[name] = {"group": group} | figure(name, environment, folder)
            FIGURES.write_text(as_text(figures), "utf-8")
            print(name, json.dumps(figures[name]), flush=True)
            shutil.rmtree(folder)
    failed = [name for name, one in figures.items() if not is_right(name, one)]
    if failed:
        raise SystemExit(f"not converted, or too far from MXNet: {', '.join(failed)}")


def is_right(name: str, one: dict[str, Any]) -> bool:
    """Whether a model was converted and is within `ALLOWED`, or what is off has a reason."""
    return "problem" not in one and (one["difference"] <= ALLOWED or name in REASONS)


def as_text(figures: dict[str, Any]) -> str:
    """One line a model, in the order of the list."""
    lines = (f" {json.dumps(name)}: {json.dumps(one)}" for name, one in figures.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def models() -> list[tuple[str, str, str]]:
    """The name of each model, its group and its environment."""
    shown = subprocess.run([sys.executable, SCRIPT, "list"], check=True, capture_output=True)
    return [tuple(json.loads(line)) for line in shown.stdout.splitlines()]


def figure(name: str, environment: str, folder: Path) -> dict[str, Any]:
    """Write one model, convert it and compare; what came out, or `problem` with what failed."""
    python = ROOT / f".venv-mxnet-{environment}" / "bin" / "python"
    shown = subprocess.run(
        [python, "-W", "ignore", SCRIPT, name, folder / name], check=True, stdout=subprocess.PIPE
    )
    version, inputs = json.loads(shown.stdout.splitlines()[-1])
    source, out = folder / f"{name}-0000.params", folder / "out"
    sizes = {
        name: ",".join(map(str, shape)) for name, shape in inputs.items() if "label" not in name
    }
    said = [word for name, size in sizes.items() for word in ("--input", f"{name}={size}")]
    command = [sys.executable, "-m", "converter", "--src", source, "--dst", out, "--quiet", *said]
    status, text, usage = measured([str(word) for word in command])
    found = {
        "mxnet": version,
        "input": " ".join(f"{name}={size}" for name, size in sizes.items()),
        "parameters_mb": round(source.stat().st_size / 1e6, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }
    if status:
        return found | {"problem": text[-3000:]}
    compare = [sys.executable, "-m", "tools.graph_full", "--compare", source, out]
    compared = subprocess.run(
        [str(word) for word in [*compare, folder / f"{name}.golden.npz"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if compared.returncode:
        return found | {"problem": compared.stderr[-3000:]}
    return found | json.loads(compared.stdout.splitlines()[-1])


def measured(command: list[str]) -> tuple[int, str, resource.struct_rusage]:
    """Exit code of a process, what it says on stderr, and what it used of processor and memory.

    This process stays small: a child's peak memory counts what its parent had at the fork.
    """
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr
    text = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, text, usage


def compare(source: Path, out: Path, golden: Path) -> dict[str, Any]:
    """`import model` as its owner does, and the outputs against those that MXNet recorded."""
    import numpy as np
    import torch

    from converter.planning.file import plan_file
    from converter.proof.graph.parity import compare_outputs

    record = json.loads((out / "conversion.json").read_text("utf-8"))
    said = tuple(f"{one['name']}={','.join(map(str, one['shape']))}" for one in record["inputs"])
    plan = plan_file(source, inputs=said)
    recorded = np.load(golden)
    sys.path.insert(0, str(out))
    import model  # type: ignore[import-not-found]

    given = [
        torch.from_numpy(recorded[f"input:{one['name']}"].astype(one["dtype"]))
        for one in record["inputs"]
    ]
    with torch.inference_mode():
        made = model.load()(*given)
    made = [one.numpy() for one in (made if isinstance(made, tuple) else (made,))]
    heads = plan.program.graph.heads
    expected = [recorded[f"output:{number}"] for number in range(len(heads))]
    outputs = [
        *compare_outputs(
            plan, dict(zip(heads, made, strict=True)), dict(zip(heads, expected, strict=True))
        )
    ]
    worst = max(outputs, key=lambda one: one.relative)
    runs = record["proof"]["parity"]["runs"]
    node = max((one for run in runs for one in run["worst"]), key=lambda one: one["relative"])
    return {
        "nodes": len(plan.program.calls),
        "operators": len({call.op for call in plan.program.calls}),
        "outputs": len(heads),
        "rows": any(one.rows for one in outputs),
        "difference": float(f"{worst.relative:.2g}"),
        "output": worst.node,
        "node": node["node"],
        "node_operator": node["operator"],
        "node_difference": float(f"{node['relative']:.2g}"),
        "sizes": len(runs),
    }


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        print(json.dumps(compare(*map(Path, sys.argv[2:]))))
    else:
        main(Path(sys.argv[1]), sys.argv[2:])
