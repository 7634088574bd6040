"""What a run may claim: a score only on a split that it never learnt from; and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from statistics import mode
from typing import Any

from agora.draw import Teacher
from agora.grid import Theta, shown
from agora.log import Result, Round, Step
from agora.points import Label, Split, accuracy, measures

NAMES = {"finetune": "Fine-tuning", "pseudo-label": "Pseudo-labelling", "agora": "Agora"}


class Progress:
    """A line a student and a line a round, in columns that the first line names. No scores."""

    def __init__(self, grid: Sequence[Theta], most: float, say: Callable[[str], None]) -> None:
        self.grid, self.most, self.say = grid, most, say
        self.began, self.start, self.base = time.monotonic(), time.monotonic(), 0.0
        say(" round  student  train    new  mistakes  pruned       cost  elapsed  at most  set")

    def __call__(self, what: Round | Step) -> None:
        now = time.monotonic()
        if isinstance(what, Step):
            who, cells, theta = f"{what.done}/{what.students}", ("", "", ""), what.theta
            if not what.fresh:  # what an earlier process did tells nothing of the time it takes
                self.start, self.base = now, what.cost
        else:
            who, theta = "all", self.grid[what.leader]
            cells = (f"{what.added}", f"{len(what.mistakes)}", f"{len(what.pruned)}")
        pace = (now - self.start) / max(1.0, what.cost - self.base)
        self.say(
            f"{what.index:>6}  {who:>7}  {what.train_size:>5}  {cells[0]:>5}  {cells[1]:>8}  "
            f"{cells[2]:>6}  {what.cost:>9,.0f}  {clock(now - self.began):>7}  "
            f"{clock(pace * max(0.0, self.most - what.cost)):>7}  {shown(theta)}"
        )


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as 1:02:03."""
    return str(timedelta(seconds=int(seconds)))


def summary(
    result: Result, train: Split, test: Split | None, teacher: Teacher | None, method: str
) -> dict[str, Any]:
    """The figures, as JSON. Without test there is no score: dev is learnt from."""
    asked = sum(record.added for record in result.rounds)
    before = result.ledger.teacher_calls - asked  # by the gate, and in tau's trial
    found: dict[str, Any] = {
        "method": method,
        "theta": dict(result.theta),
        "rounds": len(result.rounds),
        "students": sum(len(record.thetas) for record in result.rounds),
        "cost": result.ledger.cost,
        "control_cost": result.rounds[0].cost - before,
        "teacher_calls": result.ledger.teacher_calls,
        "leaked": sum(record.leaked for record in result.rounds),
        "stopped": result.stopped,
    }
    if test is None:
        return found
    said = {method: result.student.predict(test.points)}
    if method != "finetune":
        said["control: grid search"] = control = result.control.predict(test.points)
        found["verdict"] = _verdict(method, said[method], control, test.labels)
    if teacher:
        said["teacher"] = teacher(test.points)
    said["majority class"] = [mode(sorted(train.labels))] * len(test)
    found["test"] = {name: measures(some, test.labels) for name, some in said.items()}
    found["selected_at"] = result.chosen.score
    found["gap"] = result.chosen.score - found["test"][method]["accuracy"]
    return found


def _verdict(
    method: str, said: Sequence[Label], control: Sequence[Label], labels: Sequence[Label]
) -> str:
    """Against the control, on test: by the score, and by an exact sign test of the texts."""
    from scipy.stats import binomtest  # here: it takes a third of the command's start

    gain = accuracy(said, labels) - accuracy(control, labels)
    pairs = [(a == c, b == c) for a, b, c in zip(said, control, labels, strict=True)]
    won, lost = pairs.count((True, False)), pairs.count((False, True))
    texts = f"{won} texts won, {lost} lost against the control"
    if gain <= 0:
        return f"{NAMES[method]} did not help here: {gain:+.3f}, {texts}"
    chance = binomtest(won, won + lost).pvalue if won + lost else 1.0
    shown_ = "" if chance < 0.05 else ", which may be chance"
    return f"{NAMES[method]} gained {gain:+.3f} here{shown_}: {texts}, p = {chance:.2g}"


def text(found: dict[str, Any], result: Result) -> str:
    """The report, for a person."""
    chosen = result.chosen
    lines = [
        f"best     {shown(result.theta)}, round {chosen.index}",
        f"cost     {found['cost']:,.0f} forward passes, {found['students']} students, "
        f"{found['teacher_calls']} teacher calls; of them the control {found['control_cost']:,.0f}",
        f"leaked   {found['leaked']} draws were items of dev or test, and were not used",
        f"stopped  {found['stopped']}",
    ]
    if "test" not in found:
        lines.append(
            "test     none given, so no score is shown: dev selects, and Agora learns from it"
        )
        return "\n".join(lines)
    columns = [*next(iter(found["test"].values()))]
    lines += ["", f"{'test':<22}" + "".join(f"{name:>12}" for name in columns)]
    for name, values in found["test"].items():
        lines.append(f"{name:<22}" + "".join(f"{values[column]:>12.3f}" for column in columns))
    lines += [
        "",
        f"gap      {found['gap']:+.3f}: it was selected at {found['selected_at']:.3f} on dev, "
        "which is no result",
    ]
    taught = found["test"].get("teacher", {}).get(columns[0], -float("inf"))
    if taught > found["test"][found["method"]][columns[0]]:
        lines.append("The teacher itself is better than the student: if you can run it, use it.")
    return "\n".join([*lines, *([found["verdict"] + "."] if "verdict" in found else [])])
