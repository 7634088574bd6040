"""What a run may claim: a score only on a split that it never learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agora.grid import Theta, shown
from agora.log import Result, table
from agora.points import Split
from agora.task import Task


def summary(result: Result, task: Task, test: Split | None) -> dict[str, Any]:
    """The figures, as JSON. Without test there is no score: dev is learnt from."""
    found: dict[str, Any] = {
        "theta": dict(result.theta),
        "rounds": len({record.index for record in result.rounds}),
        "students": sum(len(record.thetas) for record in result.rounds),
        "cost": result.ledger.cost,
        "teacher_calls": result.ledger.teacher_calls,
        "stopped": result.stopped,
    }
    if test is not None:
        score = task.score(result.student.predict(test.points), test.labels)
        found |= {
            "test_score": score,
            "selection_score": result.chosen.score,
            "gap": result.chosen.score - score,
        }
    return found


def text(found: dict[str, Any], result: Result, grid: Sequence[Theta]) -> str:
    """The report, for a person."""
    lines = [
        table(grid, result.rounds),
        "",
        f"best    {shown(result.theta)}, round {result.chosen.index}",
        f"cost    {found['cost']:,.0f} forward passes, {found['students']} students, "
        f"{found['teacher_calls']} teacher calls",
        f"stopped {found['stopped']}",
    ]
    if "test_score" in found:
        lines += [
            f"test    {found['test_score']:.3f}",
            f"gap     {found['gap']:+.3f}: it was selected at {found['selection_score']:.3f}, "
            "which is no result",
        ]
    else:
        lines.append(
            "test    none given, so no score is shown: Agora learns from dev, and its score there "
            "is inflated"
        )
    return "\n".join(lines)


def plot(result: Result, path: Path) -> None:
    """The score that selects against cost, one dot a round, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "bort-agora"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    kept = [record for record in result.rounds if record.accepted]
    axes.plot([r.cost for r in kept], [r.score for r in kept], "o-")
    axes.set(xlabel="cost, forward passes", ylabel="score that selects (no result)")
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
