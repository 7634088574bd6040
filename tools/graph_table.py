"""docs/graph-models.md: what `tools.graph_full` and `benchmarks.graph` found, as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from statistics import median
from typing import Any

from benchmarks.graph import FIGURES as SIDE_BY_SIDE
from benchmarks.graph import NETWORKS, PEERS, RIGHT
from tools.graph_full import ALLOWED, is_right, read_figures

WAYS = ("bort-convert", *PEERS.values())


def graph_models() -> str:
    """A sentence that counts, a line for each group, and one for each model."""
    done = read_figures()
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
        if "transformers" in one:
            yield (
                f"\n{name}: Transformers' BertModel, which the table makes of the same network's "
                f"parameters, is {one['transformers']:.1e} from the module."
            )


def graph_peers() -> str:
    """How many networks each way converts, and how many come out right."""
    done: dict[str, Any] = json.loads(SIDE_BY_SIDE.read_text("utf-8"))
    done = {name: done[name] for name in NETWORKS if name in done}
    lines = [
        "| way | converted | right | CPU seconds ÷ ours | peak memory ÷ ours |",
        "|---|---|---|---|---|",
        *(_way(way, done) for way in ("bort-convert", "bort-convert --no-verify", *PEERS.values())),
        "",
        f"| network | {' | '.join(WAYS)} |",
        "|---" * (len(WAYS) + 1) + "|",
    ]
    for name, ways in done.items():
        lines.append(f"| {name} | {' | '.join(_cell(ways[way]) for way in WAYS)} |")
    return "\n".join(lines)


def _way(way: str, done: Mapping[str, Any]) -> str:
    found = [ways[way] for ways in done.values()]
    made = [ways for ways in done.values() if "cpu_seconds" in ways[way]]
    made = [ways for ways in made if "problem" not in ways["bort-convert"]]
    right = sum(one.get("difference", 1) <= RIGHT for one in found)
    ratios = [
        median(ways[way][key] / ways["bort-convert"][key] for ways in made) if made else 0
        for key in ("cpu_seconds", "peak_mb")
    ]
    converted = sum("problem" not in one for one in found)
    told = "–" if way.endswith("--no-verify") else f"{right} of {len(found)}"
    cells = (way, f"{converted} of {len(found)}", told, *(f"{ratio:.2f}" for ratio in ratios))
    return f"| {' | '.join(cells)} |"


def _cell(one: Mapping[str, Any]) -> str:
    took = f"{one['cpu_seconds']:.1f} s, {one['peak_mb']} MB" if "cpu_seconds" in one else ""
    if "problem" in one:
        told = " ".join(one["problem"].split()).replace("|", "\\|").replace("<", "&lt;")
        return f"{told[:110]} {f'({took})' if took else ''}".strip()
    if "difference" not in one:
        return took
    right = "" if one["difference"] <= RIGHT else "**wrong**: "
    return f"{right}{one['difference']:.1e}; {took}"
