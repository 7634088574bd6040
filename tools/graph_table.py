"""docs/graph-models.md: what `tools.graph_full` found, as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from tools.graph_full import ALLOWED, FIGURES, is_right


def figures() -> dict[str, Any]:
    """Every model that was done."""
    found: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    return found


def graph_models() -> str:
    """A sentence that counts, a line for each group, and one for each model."""
    done = figures()
    right = [name for name, one in done.items() if is_right(one)]
    near = [n for n in right if done[n]["difference"] <= ALLOWED]
    lines = [
        f"{len(done)} models: {len(right)} converted and right, {len(near)} of them within "
        f"{ALLOWED:g} of MXNet.",
        "",
        "| group | models | converted and right | largest difference | worst node of a proof |",
        "|---|---|---|---|---|",
        *_groups(done),
        "",
        "| model | input | nodes | operators | outputs' difference | worst node of the proof "
        "| CPU s | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(name, one) for name, one in done.items()), *_notes(done)])


def _groups(done: Mapping[str, Any]) -> Iterator[str]:
    for group, names in groupby(done, key=lambda name: done[name]["group"]):
        ones = [done[name] for name in names]
        right = [one for one in ones if is_right(one)]
        worst = max((one["difference"] for one in right), default=0)
        node = max((one["node_difference"] for one in right), default=0)
        yield f"| {group} | {len(ones)} | {len(right)} | {worst:.1e} | {node:.1e} |"


def _line(name: str, one: Mapping[str, Any]) -> str:
    if "problem" in one:
        return f"| {name} | {one.get('input', '')} | not converted | | | | | |"
    mark = "".join(
        ["¹" if one["rows"] else "", "²" if one["difference"] > ALLOWED and is_right(one) else ""]
    )
    cells = (
        name,
        one["input"].replace(" ", "<br>"),
        one["nodes"],
        one["operators"],
        f"{one['difference']:.1e}{mark}",
        f"{one['node_difference']:.1e} ({one['node_operator']})",
        one["cpu_seconds"],
        one["peak_mb"],
    )
    return f"| {' | '.join(map(str, cells))} |"


def _notes(done: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "¹ Detections are compared as rows, each with the nearest: ties come in another order."
    for name, one in done.items():
        if "problem" in one:
            told = " ".join(one["problem"].split())
            yield f"\n{name}: {told[:300]}"
        elif one["difference"] > ALLOWED and "mxnet_rounding" in one:
            yield (
                f"\n² {name}: float32 rounds as much. The same module in float64 is "
                f"{one['mxnet_rounding']:.1e} from MXNet and {one['own_rounding']:.1e} from itself "
                "in float32."
            )
