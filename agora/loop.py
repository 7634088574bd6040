"""Agora, the loop: train every theta, learn near the mistakes on dev, prune, repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from agora.draw import Tau, Teacher
from agora.errors import OptionError
from agora.grid import Prune, Theta
from agora.ledger import Ledger
from agora.log import Result, Round
from agora.options import GATE, Options
from agora.points import Point, Split, encode, key
from agora.rounds import Run
from agora.state import State
from agora.student import StudentFactory
from agora.task import Classification, Task


def agora(
    student_factory: StudentFactory,
    teacher: Teacher,
    train: Split,
    dev: Split,
    theta_grid: Sequence[Theta],
    tau: Tau,
    *,
    prune: str | Prune = "worst",
    replay: int = 0,
    budget: float | None = None,
    seed: int = 0,
    executor: Executor | None = None,
    selection: Split | None = None,
    draws: int = 1,
    growth: Literal["cumulative", "last"] = "cumulative",
    start: Literal["fresh", "best"] = "fresh",
    keep: Literal["best", "last"] = "best",
    mistakes: Literal["leader", "random"] = "leader",
    guard: bool = True,
    gate: float | None = GATE,
    soft: bool = False,
    avoid: Iterable[Point] = (),
    task: Task | None = None,
    ledger: Ledger | None = None,
    state: Path | None = None,
    progress: Callable[[Round], None] | None = None,
) -> Result:
    """Fine-tune with few labels: every round trains all thetas, and learns near dev's mistakes.

    Source of the steps: A. de Wynter's post of 2020-11-20; README.md of this package tells the
    author's words from our readings.

    Args:
        student_factory: makes untrained students; picklable if `executor` uses processes.
        teacher: points → labels (hard, or tuples of probabilities); accuracy above `gate` on dev.
        train: where training starts.
        dev: representative of the task; its points are perturbed, its labels never trained on.
        theta_grid: the hyperparameter sets (`agora.grid`), no two equal.
        tau: makes a point near a mistake.
        prune: "worst", "run", "lcs", "half", or a function (see `agora.grid`).
        replay: how often a round whose best score fell is done again, with new draws and seeds.
        budget: no round starts that would exceed this cost, in forward passes of a student at
            price 1, judged by what a student of the round before cost; the first always starts.
        seed: of everything random here. Students get seeds of their own, derived from it.
        executor: where the students of a round train; None: in this process, one after another.
        selection: scores are taken on this split instead of dev; tau never sees it.
        draws: new points a mistake.
        growth: "cumulative": train keeps all new points; "last": train and the last round's.
        start: "fresh": every student starts untrained; "best": from the best student so far.
        keep: return the best student of all rounds, or the last round's.
        soft: train on the teacher's probabilities where it gives them; else on the likeliest class.
        mistakes: "random" takes as many random dev points instead: a control, not Agora.
        guard: the theta of the best student so far is dropped last.
        gate: the least accuracy of the teacher on dev (above it); None asks nothing about dev.
        avoid: points that tau must not emit: give the test points.
        task: what a score and a mistake are; `Classification()` if None.
        ledger: the prices, `Ledger(student=…, teacher=…)`.
        state: a directory; a run that was killed goes on from it, with the same result.
        progress: called with every round's record as it ends.

    Raises:
        AgoraError: a subclass tells what: options, data, state, teacher or student.
    """
    options = Options(
        prune, replay, draws, growth, start, keep, mistakes, guard, gate, budget, soft
    )
    if seed < 0:
        raise OptionError("seed must be 0 or more")
    if not theta_grid or len(set(theta_grid)) != len(theta_grid):
        raise OptionError("theta_grid must have at least one set, and no set twice")
    if not (train and dev) or (selection is not None and not selection):
        raise OptionError("train, dev and selection must not be empty")
    avoid = [*avoid]
    about = {
        **{name: _shown(value) for name, value in asdict(options).items()},
        "grid": [encode(theta) for theta in theta_grid],
        "data": [split.digest() if split else "" for split in (train, dev, selection)],
        "avoid": Split.of(avoid, [0] * len(avoid)).digest(),
        "seed": seed,
        "task": _shown(task or Classification()),
        "teacher": _shown(teacher),
        "tau": _shown(tau),
        "students": _shown(student_factory),
    }
    with State(state, about) as opened:
        run = Run(
            student_factory, teacher, train, dev, tuple(theta_grid), tau, options, seed, executor,
            selection, task or Classification(), opened, ledger or Ledger(), progress,
            frozenset(map(key, [*dev.points, *(selection or dev).points, *avoid])),
        )  # fmt: skip
        return run.all_rounds()


def _shown(value: Any) -> Any:
    """An option as the state directory remembers it: the same in every process."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    text = repr(value)
    if " at 0x" in text or " object" in text:
        kind = value if callable(value) and hasattr(value, "__qualname__") else type(value)
        return f"{kind.__module__}.{kind.__qualname__}"
    return text
