"""Break every recorded network in every way, and count what notices it.

    python -m tools.graph_controls      rewrites fixtures/graph/controls.json

docs/graph.md shows the counts, and tests/graph/test_controls.py holds them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

COUNTS = Path(__file__).parents[1] / "fixtures" / "graph" / "controls.json"
COLUMNS = {
    "mutants": "mutants",
    "refused": "cannot be computed",
    "proof": "one side wrong: the proof fails",
    "the network's recordings": "both wrong: the network's recordings fail",
    "the operator's": "or else the operator's",
    "no difference": "makes no difference",
}


def graph_controls() -> str:
    """A row for each network, and the reasons of what makes no difference."""
    done: dict[str, Any] = json.loads(COUNTS.read_text("utf-8"))
    total = {key: sum(one[key] for one in done.values()) for key in COLUMNS}
    rows = [
        f"| network | {' | '.join(COLUMNS.values())} |",
        "|---" * (len(COLUMNS) + 1) + "|",
        *(f"| {name} | {_cells(one)} |" for name, one in {**done, "all": total}.items()),
    ]
    reasons = sum((Counter(one["reasons"]) for one in done.values()), Counter[str]())
    told = "; ".join(f"{reason} ({number})" for reason, number in reasons.most_common())
    return "\n".join([*rows, "", f"What makes no difference, and why: {told}."])


def _cells(one: dict[str, Any]) -> str:
    return " | ".join(f"{one[key]:,}" for key in COLUMNS)


def main() -> None:
    """Rewrite the counts; those that survive are told, and nothing is written then."""
    from tests.graph.controls import SURVIVES, Judge, counts
    from tests.graph.recordings import networks

    done, survive = {}, []
    for network in networks():
        judge = Judge(network)
        found = [judge.judged(mutant) for mutant in judge.mutants()]
        reasons = Counter(one.reason for one in found if one.reason)
        done[network.name] = {**counts(found), "reasons": dict(sorted(reasons.items()))}
        survive += [f"{network}: {one.mutant}" for one in found if one.outcome == SURVIVES]
        print(network, done[network.name], flush=True)
    if survive:
        raise SystemExit("\n".join(["these survive:", *survive]))
    COUNTS.write_text(json.dumps(done, indent=1) + "\n", "utf-8", newline="\n")


if __name__ == "__main__":
    main()
