"""What is in a graph, as lines for a person to read and as data (graph_inspection.schema.json)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from converter.errors import safe
from converter.graph.facts import GraphFacts
from converter.graph.sizes import Input
from converter.report.columns import columns

LISTED = 6
LAYOUTS = {"param": "param (MXNet 0.8)", "attr": "attr (0.9 to 1.1)", "attrs": "attrs (1.2 on)"}


def graph_lines(facts: GraphFacts, every: bool = False) -> Iterator[str]:
    """The operators of a graph, what goes in and comes out, what is missing, and its traps.

    every: all names, where a few stand for the others otherwise
    """
    calls = sum(facts.operators.values())
    yield f"{facts.name}: a graph of {calls:,} nodes, written by {_version(facts)}"
    if facts.graph.layout:
        yield f"attributes under {', '.join(LAYOUTS[key] for key in facts.graph.layout)}"
    yield ""
    rows = [("operator", "nodes")]
    yield from columns([*rows, *((op, f"{count:,}") for op, count in facts.operators.items())])
    yield ""
    for name, known in facts.inputs.items():
        yield f"input {name}: {_input(known)}"
    for name, shape in facts.outputs[: None if every else LISTED]:
        yield f"output {name}" + (f": {_sizes(shape)}" if shape else "")
    if not every and len(facts.outputs) > LISTED:
        yield f"… {len(facts.outputs)} outputs in all"
    yield from _variables(facts, every)
    yield from _verdict(facts)
    for trap in facts.traps:
        yield f"mind: {trap.told}: {_names(trap.nodes, every)}"


def _version(facts: GraphFacts) -> str:
    version = facts.graph.version
    return f"MXNet {'.'.join(map(str, version))}" if version else "an MXNet that does not say which"


def _sizes(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _input(known: Input | None) -> str:
    if known is None:
        return "its shape is not known"
    assumed = f"; assumed: {', '.join(known.assumed)}" if known.assumed else ""
    return f"{_sizes(known.spec.shape)} {known.spec.dtype.name} ({known.told}{assumed})"


def _variables(facts: GraphFacts, every: bool) -> Iterator[str]:
    variables = facts.variables
    if facts.params is None:
        yield f"parameters: {len(variables.missing):,}; no parameters file was looked at"
    else:
        yield f"parameters: {len(variables.parameters):,} in {facts.params}"
        if variables.missing:
            yield f"without a value there: {_names(variables.missing, every)}"
        if variables.unused:
            yield f"in the file, and not in the graph: {_names(variables.unused, every)}"
    if variables.labels:
        yield f"labels, which are gone at inference: {_names(variables.labels, every)}"


def _verdict(facts: GraphFacts) -> Iterator[str]:
    if facts.problems or facts.misfits:
        yield "cannot be converted as it is:"
        yield from (f"  - {problem.text}" for problem in facts.problems)
        yield from (f"  - {misfit}" for misfit in facts.misfits)
        yield "--output NODE cuts it before a node; `export` writes the weights alone"
    elif facts.asked:
        yield f"to convert it, say: {' '.join(facts.asked)}"
    elif facts.params is not None and not facts.variables.missing:
        yield "can be converted"


def _names(names: Sequence[str], every: bool) -> str:
    if every or len(names) <= LISTED:
        return ", ".join(map(safe, names))
    return f"{', '.join(map(safe, names[:LISTED]))}, … ({len(names):,} in all)"


def graph_json(facts: GraphFacts) -> dict[str, Any]:
    """A graph as plain data: what `inspect --json` has under "graph"."""
    variables = facts.variables
    return {
        "file": facts.name,
        "parameters_file": facts.params,
        "mxnet_version": facts.graph.version,
        "layout": facts.graph.layout,
        "nodes": sum(facts.operators.values()),
        "operators": facts.operators,
        "inputs": [
            {
                "name": name,
                "shape": known.spec.shape if known else None,
                "dtype": known.spec.dtype.name if known else None,
                "told": known.told if known else None,
                "assumed": known.assumed if known else (),
            }
            for name, known in facts.inputs.items()
        ],
        "outputs": [{"name": name, "shape": shape} for name, shape in facts.outputs],
        "parameters": [*variables.parameters],
        "without_value": variables.missing,
        "unused": variables.unused,
        "labels": variables.labels,
        "unsupported": [
            {"operator": problem.operator, "told": problem.told, "nodes": problem.nodes}
            for problem in facts.problems
        ],
        "misfits": facts.misfits,
        "asked": facts.asked,
        "traps": [
            {"kind": trap.kind, "told": trap.told, "nodes": trap.nodes} for trap in facts.traps
        ],
    }
