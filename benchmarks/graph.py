"""From MXNet's graph to PyTorch by every way there is, on the same files.

    python -m benchmarks.graph FOLDER [NAME ...]

Writes benchmarks/graph.json, a line for each network; one that stands there is not done again,
unless it is named. Real MXNet writes the files (fixtures/graph/make_full.py), with 1 in the gammas
that `fix_gamma` makes it ignore: a way that takes them is not told to be wrong for it. Every way is
a process of its own, in turn, of one thread; what counts is until the module is there (for ours:
written, and with its proof, where it has one). Right is within 1e-4 of the largest value of each
output that MXNet itself computed.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.graph_full import ROOT, SCRIPT, as_text, measured, models, without_places

FIGURES = Path(__file__).with_name("graph.json")
RIGHT = 1e-4  # of the largest value of an output
NETWORKS = (
    *("arcface_r100", "mobilefacenet", "retinaface_mnet025", "mtcnn_pnet", "mtcnn_onet"),
    *("resnet18_v1", "resnet50_v1", "resnet18_v2", "resnet50_v2", "densenet121"),
    *("mobilenet0.25", "mobilenet1.0", "mobilenetv2_0.25", "mobilenetv2_1.0"),
    *("squeezenet1.0", "squeezenet1.1", "alexnet", "inceptionv3", "vgg11_bn", "lenet"),
    *("vgg16 (Module)", "inception_bn", "fcn16s_vgg16", "char_rnn (fused)", "char_rnn (unrolled)"),
    *("bert_12_768_12 (GluonNLP 0.10)", "mobilenetv3_small", "se_resnet18_v1"),
    *("ssd_300_mobilenet0.25_voc", "yolo3_mobilenet0.25_voc", "simple_pose_resnet18_v1b"),
    *("psp_resnet50_ade", "resnest14", "center_net_resnet18_v1b_voc"),
)
PEERS = {"onnx": "mx2onnx + onnx2torch", "gluon2pytorch": "gluon2pytorch"}
PEER_PYTHON = ROOT / ".venv-mxnet-peers" / "bin" / "python"


def main(folder: Path, names: Sequence[str] = ()) -> None:
    """Measure every network that is not measured."""
    figures: dict[str, Any] = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    listed = models()
    for name in names or [name for name in NETWORKS if name not in figures]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        figures[name] = {"group": listed[name][0]} | by_every_way(name, listed[name][1], folder)
        FIGURES.write_text(as_text({n: figures[n] for n in NETWORKS if n in figures}), "utf-8")
        print(name, json.dumps(figures[name]), flush=True)
        shutil.rmtree(folder)


def by_every_way(name: str, environment: str, folder: Path) -> dict[str, Any]:
    """Write one network, and what each way makes of it."""
    python = ROOT / f".venv-mxnet-{environment}" / "bin" / "python"
    prefix = folder / "net"
    status, text, said, _ = measured(python, "-W", "ignore", SCRIPT, name, prefix, "--ones")
    if status:
        raise SystemExit(text)
    inputs = json.loads(said.splitlines()[-1])[1]
    sizes = [f"{name}={','.join(map(str, shape))}" for name, shape in inputs.items()]
    found = {"bort-convert": ours(prefix, sizes)}
    found["bort-convert --no-verify"] = ours(prefix, sizes, "--no-verify")
    for way, told in PEERS.items():
        found[told] = peer(way, prefix, folder / f"{way}.npz")
    return found


def ours(prefix: Path, sizes: Sequence[str], *more: str) -> dict[str, Any]:
    """bort-convert, and its module against MXNet."""
    source, out = Path(f"{prefix}-0000.params"), prefix.with_name("out")
    options = [word for size in sizes for word in ("--input", size)]
    command: list[str | Path] = [
        "converter",
        "--src",
        source,
        "--dst",
        out,
        "--force",
        "--quiet",
        *options,
        *more,
    ]
    status, text, _, usage = measured(sys.executable, "-m", *command)
    took = _took(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    if status:
        return took | {"problem": without_places(text, prefix.parent)[-500:]}
    golden = Path(f"{prefix}.golden.npz")
    compare: list[str | Path] = ["tools.graph_full", "--compare", source, out, golden]
    if more:
        return took  # the files are those of the proven one
    status, text, said, _ = measured(sys.executable, "-m", *compare)
    if status:
        return took | {"problem": without_places(text, prefix.parent)[-500:]}
    return took | {"difference": json.loads(said.splitlines()[-1])["difference"]}


def peer(way: str, prefix: Path, out: Path) -> dict[str, Any]:
    """Another way, and its module against MXNet."""
    script = ROOT / "benchmarks" / "graph_peers.py"
    status, text, said, _ = measured(PEER_PYTHON, "-W", "ignore", script, way, prefix, out)
    lines = said.splitlines()
    found = _took(*json.loads(lines[-1]).values()) if lines and lines[-1][:1] == "{" else {}
    if status:
        what = "the module cannot run" if found else "cannot be converted"
        told = without_places(text.strip().splitlines()[-1], prefix.parent)
        return found | {"problem": f"{what}: {told[:300]}"}
    compare: list[str | Path] = ["benchmarks.graph", "--compare", out, f"{prefix}.golden.npz"]
    status, text, said, _ = measured(sys.executable, "-m", *compare)
    if status:
        return found | {"problem": without_places(text, prefix.parent)[-500:]}
    found |= json.loads(said)
    return found


def _took(seconds: float, megabytes: float) -> dict[str, Any]:
    return {"cpu_seconds": round(seconds, 1), "peak_mb": round(megabytes)}


def compare(made: Path, golden: Path) -> dict[str, Any]:
    """The largest relative difference over all outputs; rows of detections beside the nearest."""
    import numpy as np

    from converter.proof.graph.difference import measure, measure_rows

    ours, theirs = np.load(made), np.load(golden)
    names = [name for name in theirs if name.startswith("output:")]
    if {*names} != {*ours}:
        return {"problem": f"{len(ours)} outputs in place of {len(names)}"}
    found = [min(f(ours[n], theirs[n]) for f in (measure, measure_rows)) for n in names]
    worst = max(found)
    return {"difference": float(f"{worst:.2g}")} if worst < np.inf else {"problem": "other shapes"}


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        print(json.dumps(compare(*map(Path, sys.argv[2:]))))
    else:
        main(Path(sys.argv[1]), sys.argv[2:])
