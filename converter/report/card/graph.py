"""The model card of a graph's module: how to load it, what goes in, what is not in any file."""

from __future__ import annotations

from collections.abc import Iterator

from converter.errors import safe
from converter.planning.base import MODULE_FILE
from converter.planning.graph import GraphPlan
from converter.report.card.head import front_matter, license_line
from converter.report.graph_text import graph_summary, left_out_lines, preprocessing_lines
from converter.report.record import GraphReport
from converter.version import VERSION


def graph_card(report: GraphReport, title: str | None) -> str:
    """`README.md` of the written directory."""
    plan, proof = report.plan, report.proof
    told = report.options.get("license")
    lines = [
        *front_matter(None, "pytorch", ["mxnet"], told),
        f"# {title or plan.index.path.stem}",
        "",
        f"A network of MXNet's as a PyTorch module: converted from `{plan.index.path.name}` and "
        f"`{plan.symbol}` by bort-convert {VERSION}, without MXNet.",
        "",
        "```python",
        "import sys",
        "",
        "import torch",
        "",
        'sys.path.insert(0, "path/to/this/directory")',
        "import model",
        "",
        "net = model.load()  # in eval mode, with the weights",
        f"{_targets(plan)} = net({_arguments(plan)})",
        "```",
        "",
        f"`{MODULE_FILE}` needs PyTorch, and safetensors to load; no bort-convert and no MXNet.",
        "",
        "## Inputs and outputs",
        "",
        *_inputs(plan),
        *(f"- output `{name}`" for name in plan.outputs),
        "",
        "Shapes are those of the proof; other batches and sizes work where the graph takes them.",
        "",
        "## What is not in the files",
        "",
        "- Preprocessing (mean, scale, order of channels) and the names of classes are in "
        "neither file: give the module what the network was trained with.",
        *(f"- {line[0].upper()}{line[1:]}." for line in preprocessing_lines(plan)),
        *(f"- Assumed: {a.field}: {a.value} ({a.why})." for a in plan.assumed),
        *(f"- {line[0].upper()}{line[1:]}." for line in left_out_lines(plan)),
        *(f"- Not finite in the source: `{n}` ({count})" for n, count in report.nonfinite.items()),
        "",
        "## How it was proven",
        "",
        *(_proof_lines(report) if proof else ["It was not: `--no-verify` was given.", ""]),
        "## Where it comes from",
        "",
        f"- Source: `{plan.index.path.name}`, {plan.index.size:,} bytes"
        + (f", sha256 `{proof.bits.source_sha256}`" if proof else ""),
        f"- Graph: `{plan.symbol}`, sha256 `{plan.sha256}`{_version(plan)}",
        *([f"- Cut at: {', '.join(plan.cut)}"] if plan.cut else []),
        license_line(told),
        f"- dtype: {plan.dtype}; weights: {', '.join(f'`{file}`' for file in report.files)}",
        "- Every tensor, with its source name and what was done to it: `conversion.json`",
    ]
    return "\n".join(map(safe, lines)) + "\n"


def _targets(plan: GraphPlan) -> str:
    count = len(plan.outputs)
    return "y" if count == 1 else ", ".join(f"y{n}" for n in range(count)) if count < 5 else "y"


def _arguments(plan: GraphPlan) -> str:
    """Arguments that the module can be called with."""
    texts = []
    for one in plan.inputs:
        shape = ", ".join(map(str, one.spec.shape))
        dtype = one.spec.dtype
        more = "" if dtype.name == "float32" else f", dtype=torch.{dtype.name}"
        texts.append(f"torch.zeros({shape}{more})")
    return ", ".join(texts)


def _inputs(plan: GraphPlan) -> Iterator[str]:
    for one in plan.inputs:
        shape, dtype = "×".join(map(str, one.spec.shape)), one.spec.dtype.name
        yield f"- input `{plan.emitted.inputs[one.name]}`: {shape} {dtype} ({one.told})"


def _version(plan: GraphPlan) -> str:
    version = plan.program.graph.version
    return f", written by MXNet {'.'.join(map(str, version))}" if version else ""


def _proof_lines(report: GraphReport) -> Iterator[str]:
    yield "```"
    yield from graph_summary(report)
    yield "```"
    yield ""
    yield "Bits: every tensor of the module comes from its source bit for bit. Names: the module's"
    yield "state dict and the weights have the same names, none missing, none more. Parity: MXNet's"
    yield "arithmetic, written in NumPy from MXNet's sources, against the module. Both are given"
    yield "the same numbers at each node; `difference` is max|ours - MXNet's| / max|MXNet's| there."
    yield "The outputs are compared once more from the inputs alone."
    yield ""
