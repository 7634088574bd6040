"""Agora, the loop: train every theta, learn near the mistakes on dev, prune, repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Literal

from agora.draw import Tau, Teacher
from agora.errors import OptionError
from agora.grid import Prune, Theta
from agora.ledger import Ledger
from agora.log import Result, Round, Step
from agora.points import Point, Split, encode, key
from agora.rounds import GATE, METHODS, Run
from agora.state import opened
from agora.student import StudentFactory


def agora(
    student_factory: StudentFactory,
    teacher: Teacher | None,
    train: Split,
    dev: Split,
    theta_grid: Sequence[Theta],
    tau: Tau | None,
    *,
    method: Literal["finetune", "pseudo-label", "agora"] = "agora",
    pool: Sequence[Point] = (),
    prune: str | Prune = "lcs",
    budget: float | None = None,
    seed: int = 0,
    executor: Executor | None = None,
    mistakes: Literal["leader", "random"] = "leader",
    gate: float | None = GATE,
    avoid: Iterable[Point] = (),
    ledger: Ledger | None = None,
    state: Path | None = None,
    progress: Callable[[Round | Step], None] | None = None,
) -> Result:
    """Fine-tune with few labels: every round trains all thetas, and learns near dev's mistakes.

    Source of the steps: A. de Wynter's post of 2020-11-20; README.md of this package tells the
    author's words from our readings.

    Args:
        student_factory: makes untrained students; picklable if `executor` uses processes.
        teacher: points → labels; it must pass `gate` on dev. None for "finetune".
        train: where training starts.
        dev: representative of the task; its points are perturbed, its labels never trained on.
        theta_grid: the hyperparameter sets (`agora.grid`), no two equal.
        tau: makes a point near a mistake; None for the methods that need none.
        method: "finetune": round 0 alone, a grid search. "pseudo-label": then a second round, with
            what the teacher says of `pool`. "agora": the loop, until nothing is left of the grid.
        pool: unlabelled points, for "pseudo-label".
        prune: "worst", "lcs", or a function (see `agora.grid`).
        budget: no round starts that would exceed this cost, in forward passes of a student at
            price 1, judged by what a student of the round before cost; the first always starts.
        seed: of everything random here, but for students whose theta has a `seed`.
        executor: where the students of a round train; None: in this process, one after another.
        mistakes: "random" takes as many random dev points instead: a control, not Agora.
        gate: the least accuracy of the teacher on dev (above it), and with it the least Matthews
            coefficient, 2 gate − 1, which is the same for balanced labels; None asks nothing.
        avoid: points that must never be trained on: give the test points.
        ledger: the prices, `Ledger(student=…, teacher=…)`.
        state: a directory; a run that was killed goes on from it, with the same result.
        progress: called with every `Step`, and with every round's record as it ends.

    Raises:
        AgoraError: a subclass tells what: options, data, state, teacher or student.
    """
    if method not in METHODS or mistakes not in ("leader", "random"):
        raise OptionError(f"method={method!r}, mistakes={mistakes!r}: one of them is unknown")
    if seed < 0:
        raise OptionError("seed must be 0 or more")
    if budget is not None and not budget > 0:
        raise OptionError("budget must be positive, in forward passes")
    if not theta_grid or len(set(theta_grid)) != len(theta_grid):
        raise OptionError("theta_grid must have at least one set, and no set twice")
    if not (train and dev):
        raise OptionError("train and dev must not be empty")
    if (method != "finetune" and teacher is None) or (method == "agora" and tau is None):
        raise OptionError(f"method={method!r} needs a teacher, and 'agora' needs tau")
    if method == "pseudo-label" and not pool:
        raise OptionError("method='pseudo-label' needs a pool of unlabelled points")
    avoid, pool = [*avoid], [*pool]
    about = {
        "method": method,
        "prune": _shown(prune),
        "mistakes": mistakes,
        "gate": gate,
        "budget": budget,
        "grid": [encode(theta) for theta in theta_grid],
        "data": [split.digest() for split in (train, dev)],
        "avoid": Split.of(avoid, [0] * len(avoid)).digest(),
        "pool": Split.of(pool, [0] * len(pool)).digest(),
        "seed": seed,
        "teacher": _shown(teacher),
        "tau": _shown(tau),
        "students": _shown(student_factory),
    }
    with opened(state, about) as kept:
        forbidden = frozenset(map(key, [*dev.points, *avoid]))
        return Run(
            student_factory, teacher, train, dev, tuple(theta_grid), tau, method, pool, prune,
            budget, seed, executor, mistakes, gate, forbidden, ledger or Ledger(), kept, progress,
        ).all_rounds()  # fmt: skip


def _shown(value: Any) -> Any:
    """An option as the state directory remembers it: the same in every process."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    text = repr(value)
    if " at 0x" in text or " object" in text:
        kind = value if callable(value) and hasattr(value, "__qualname__") else type(value)
        return f"{kind.__module__}.{kind.__qualname__}"
    return text
