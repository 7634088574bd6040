"""Real MXNet writes networks of real size; each is converted with its proof, and compared with it.

    python -m tools.graph_full FOLDER [NAME ...]

A line of fixtures/graph/full.json for each, from which docs/graph-models.md is made. A model that
stands there without a problem is not done again, unless it is named; what was written is deleted
behind it. Fails when a model cannot be converted, or its outputs are further
from MXNet's than 1e-5 of their largest value and the float32 of MXNet itself is not as far from
float64.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "fixtures" / "graph" / "full.json"
SCRIPT = ROOT / "fixtures" / "graph" / "make_full.py"
ALLOWED = 1e-5


def main(folder: Path, names: Sequence[str] = ()) -> None:
    """Do every model that is not done, or those that are named."""
    figures, listed = read_figures(), models()
    for name in names or [n for n in listed if "problem" in figures.get(n, {"problem": ""})]:
        group, environment = listed[name]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        found = {name: {"group": group} | figure(name, environment, folder)}
        figures = read_figures() | found  # what another run has written meanwhile stays
        figures = {name: figures[name] for name in listed if name in figures}
        FIGURES.write_text(as_text(figures), "utf-8")
        print(name, json.dumps(figures[name]), flush=True)
        shutil.rmtree(folder)
    if failed := [name for name, one in figures.items() if not is_right(one)]:
        raise SystemExit(f"not converted, or too far from MXNet: {', '.join(failed)}")


def read_figures() -> dict[str, Any]:
    """Every model that was done, in the order of the list."""
    found: dict[str, Any] = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    return found


def is_right(one: Mapping[str, Any]) -> bool:
    """Whether a model was converted and is within `ALLOWED` of MXNet, or as near as MXNet itself
    is to what float64 gives; and of what the table makes of its parameters, where that was made.
    """
    if "problem" in one or one.get("transformers", 0) > ALLOWED:
        return False
    return bool(one["difference"] <= max(ALLOWED, one.get("mxnet_rounding", 0)))


def as_text(figures: dict[str, Any]) -> str:
    """One line a model, in the order of the list."""
    lines = (f" {json.dumps(name)}: {json.dumps(one)}" for name, one in figures.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def models() -> dict[str, tuple[str, str]]:
    """The group and the environment of each model."""
    python = ROOT / ".venv-mxnet-latest" / "bin" / "python"
    shown = subprocess.run(
        [python, "-W", "ignore", SCRIPT, "list"], check=True, capture_output=True
    )
    lines = map(json.loads, shown.stdout.splitlines())
    return {name: (group, environment) for name, group, environment in lines}


def figure(name: str, environment: str, folder: Path) -> dict[str, Any]:
    """Write one model, convert it and compare; what came out, or `problem` with what failed."""
    python = ROOT / f".venv-mxnet-{environment}" / "bin" / "python"
    status, text, said, _ = measured(python, "-W", "ignore", SCRIPT, name, folder / name)
    if status:
        last = text.strip().splitlines()[-1]
        return {"problem": f"MXNet does not write it: {without_places(last, folder)}"}
    version, inputs = json.loads(said.splitlines()[-1])
    source, out = folder / f"{name}-0000.params", folder / "out"
    sizes = [f"{name}={','.join(map(str, shape))}" for name, shape in inputs.items()]
    options = [word for size in sizes for word in ("--input", size)]
    status, text, _, usage = measured(
        sys.executable, "-m", "converter", "--src", source, "--dst", out, "--json", *options
    )
    found = {
        "mxnet": version,
        "input": " ".join(sizes),
        "parameters_mb": round(source.stat().st_size / 1e6, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }
    if status:
        return found | {"problem": without_places(text, folder)}
    golden = folder / f"{name}.golden.npz"
    status, text, said, _ = measured(
        sys.executable, "-m", "tools.graph_full", "--compare", source, out, golden
    )
    if status:
        return found | {"problem": without_places(text, folder)}
    found |= json.loads(said.splitlines()[-1])
    return found


def without_places(text: str, folder: Path) -> str:
    """A message without the directories of this machine."""
    for place in (folder.absolute(), folder, ROOT):
        text = text.replace(f"{place}{os.sep}", "")
    return text


def measured(*command: str | Path) -> tuple[int, str, str, resource.struct_rusage]:
    """Exit code of a process, the end of what it says on stderr, what it says on stdout, and what
    it used of processor and memory.

    This process stays small: a child's peak memory counts what its parent had at the fork.
    """
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([*map(str, command)], stdout=said, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said.seek(0)
        return process.returncode, errors.read()[-3000:], said.read(), usage


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
    heads = plan.program.graph.heads
    expected = {head: recorded[f"output:{number}"] for number, head in enumerate(heads)}

    def run(net: Any, *given: Any) -> dict[Any, Any]:
        with torch.inference_mode():
            made = net(*given)
        made = made if isinstance(made, tuple) else (made,)
        return {head: one.numpy() for head, one in zip(heads, made, strict=True)}

    net = model.load()
    made = run(net, *given)
    outputs = [*compare_outputs(plan, made, expected)]
    worst = max(outputs, key=lambda one: one.relative)
    rounding = {}
    if ALLOWED < worst.relative < 1e-3:  # is it the rounding of float32? both sides against float64
        wide = (one.double() if one.is_floating_point() else one for one in given)
        exact = run(net.double(), *wide)
        for key, side in (("own_rounding", made), ("mxnet_rounding", expected)):
            found = max(one.relative for one in compare_outputs(plan, side, exact))
            rounding[key] = float(f"{found:.2g}")
    table = {}
    if (alone := golden.with_name(golden.name.replace(".golden.npz", ".params"))).exists():
        table = {"transformers": float(f"{by_table(alone, recorded, made):.2g}")}
    runs = record["proof"]["parity"]["runs"]
    node = max((one for run in runs for one in run["worst"]), key=lambda one: one["relative"])
    return (
        {
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
        | rounding
        | table
    )


def by_table(source: Path, recorded: Any, made: Mapping[Any, Any]) -> float:
    """How far a BERT's module is from Transformers' BertModel, which the table makes of the same
    network's parameters: over the words that are there, and what the pooler makes of the first.
    """
    import torch
    from transformers import BertModel

    import converter
    from converter.proof.graph.difference import measure

    directory = source.with_name("table")
    options: dict[str, Any] = {"config": {"num_attention_heads": 12}}
    if "GluonNLP 0.9" in source.name:  # no file tells, and it scrambled the biases of attention
        options["gluonnlp_version"] = "0.9"
    converter.convert(source, directory, **options)
    words, types, lengths = (
        torch.from_numpy(recorded[f"input:data{number}"]).long() for number in range(3)
    )
    mask = torch.arange(words.shape[1]) < lengths[:, None]
    net: Any = BertModel.from_pretrained(directory)
    net.eval()
    with torch.inference_mode():
        theirs = net(words, token_type_ids=types, attention_mask=mask.long())
    sequence, pooled = made.values()
    there = mask.numpy()
    return max(
        measure(sequence[there], theirs.last_hidden_state.numpy()[there]),
        measure(pooled, theirs.pooler_output.numpy()),
    )


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        print(json.dumps(compare(*map(Path, sys.argv[2:]))))
    else:
        main(Path(sys.argv[1]), sys.argv[2:])
