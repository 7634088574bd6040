"""The model card: `README.md` of the written directory, drawn from the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from converter.plan import HEADS, Plan
from converter.report import Report
from converter.text import summary
from converter.version import VERSION


def model_card(report: Report) -> str:
    """`README.md` of the written directory: what, from where, how proven, what it cannot do."""
    plan, proof = report.plan, report.proof
    lines = [
        "---",
        "library_name: transformers",
        "tags:",
        f"- {plan.table.name}",
        "- mxnet",
        "- gluonnlp",
        "---",
        f"# {plan.known or plan.index.path.stem}",
        "",
        f"{plan.table.title}: converted from `{plan.index.path.name}` (MXNet/GluonNLP) to "
        f"`{plan.transformers_class}` by bort-convert "
        f"{VERSION}, without MXNet.",
        "",
        "```python",
        f"from transformers import {plan.transformers_class}",
        "",
        f"model = {plan.transformers_class}.from_pretrained({_arguments(plan.init)})",
        "```",
        "",
        *_why_arguments(plan),
        "## How it was proven",
        "",
        *(_proof_lines(report) if proof else ["It was not: `--no-verify` was given.", ""]),
        "## What it cannot do",
        "",
        *(f"- {limit.text}" for limit in plan.table.limits if _concerns(report, limit.output)),
        *(f"- {note}" for note in plan.table.notes),
        *(f"- {text}" for text in plan.warnings()),
        *_exported(plan),
        *(f"- Not finite in the source: `{n}` ({count})" for n, count in report.nonfinite.items()),
        "- The tokenizer is not part of this directory.",
        "",
        "## Where it comes from",
        "",
        f"- Source: `{plan.index.path.name}`, {plan.index.size:,} bytes"
        + (f", sha256 `{proof.bits.source_sha256}`" if proof else ""),
        f"- Heads in the file: {', '.join(plan.heads) or 'none'}; dtype: {plan.dtype}",
        f"- Given by hand: {_overrides(plan.overrides)}"
        + (f"; trained under GluonNLP {plan.gluonnlp}" if plan.gluonnlp else ""),
        f"- Weights: {', '.join(f'`{file}`' for file in report.files)}",
        "- Every tensor, with its source name and what was done to it: `conversion.json`",
    ]
    return "\n".join(lines) + "\n"


def _exported(plan: Plan) -> Iterator[str]:
    if plan.exported:
        names = ", ".join(f"`{entry.name}`" for entry in plan.exported)
        yield f"- {plan.export_reason} Not converted, in `{HEADS}` under their own names: {names}."


def _arguments(init: Mapping[str, Any]) -> str:
    return ", ".join(['"path/to/this/directory"', *(f"{k}={v!r}" for k, v in init.items())])


def _why_arguments(plan: Plan) -> Iterator[str]:
    if plan.init.get("add_pooling_layer") is False:
        yield "The source has no pooler. Without `add_pooling_layer=False`, Transformers adds a"
        yield "random one and says so."
        yield ""


def _proof_lines(report: Report) -> Iterator[str]:
    yield "```"
    yield from summary(report)
    yield "```"
    yield ""
    yield "Bits: the plan run backwards gives every source tensor back. Names: those of the"
    yield "Transformers class, none missing, none more. Parity: GluonNLP's own arithmetic on the"
    yield "source against Transformers on this directory, random ids over the whole vocabulary,"
    yield "several lengths with padding, valid positions only."
    yield ""


def _concerns(report: Report, output: str) -> bool:
    return output in report.plan.outputs.values()


def _overrides(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in overrides.items()) or "nothing"
