"""The loop: train every theta, learn near the mistakes on dev, prune, and repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from agora.draw import Drawn, Tau, Teacher, ask, draw, label_pool
from agora.errors import OptionError, StateError, StudentError, TeacherError
from agora.grid import Prune, Theta, lcs, shown, to_drop
from agora.ledger import Work
from agora.log import Result, Round, Step
from agora.points import Point, Split, key, measures
from agora.state import State, opened
from agora.student import Outcome, StudentFactory, train_one

GATE = 2 / 3  # the author: the teacher's accuracy must be above 2/3
METHODS = {"finetune": 1, "pseudo-label": 2, "agora": 1_000_000}  # rounds at most
REMEMBERED = ["student_factory", "teacher", "tau", "method", "prune", "budget", "seed", "gate"]


@dataclass
class Run:
    """Fine-tuning with few labels: every round trains all thetas, and learns near dev's mistakes.

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
        prune: what a round discards (`agora.grid` has `worst` and `lcs`).
        budget: no round starts that would exceed this cost, in forward passes, judged by what a
            student of the round before cost; the first always starts.
        seed: of everything random here, but for students whose theta has a `seed`.
        executor: where the students of a round train; None: in this process, one after another.
        gate: the least accuracy of the teacher on dev (above it), and with it the least Matthews
            coefficient, 2 gate − 1, which is the same for balanced labels; None asks nothing.
        avoid: points that must never be trained on: give the test points.
        ledger: what was spent before, on what belongs to this run.
        state: a directory; a run that was killed goes on from it, with the same result.
        progress: called with every `Step`, and with every round's record as it ends.
    """

    student_factory: StudentFactory
    teacher: Teacher | None
    train: Split
    dev: Split
    theta_grid: Sequence[Theta]
    tau: Tau | None
    _: KW_ONLY
    method: Literal["finetune", "pseudo-label", "agora"] = "agora"
    pool: Sequence[Point] = ()
    prune: Prune = lcs
    budget: float | None = None
    seed: int = 0
    executor: Executor | None = None
    gate: float | None = GATE
    avoid: Iterable[Point] = ()
    ledger: Work = field(default_factory=Work)
    state: Path | None = None
    progress: Callable[[Round | Step], None] = lambda _: None
    _kept: State = field(init=False, repr=False)
    _spent: Work = field(init=False, repr=False)
    _price: float = field(init=False, repr=False)  # of one student of the last round

    def result(self) -> Result:
        """Train: the best student, and what happened.

        Raises:
            AgoraError: a subclass tells what: options, data, state, teacher or student.
        """
        self._check()
        self.avoid = [*self.avoid]
        about: dict[str, Any] = {name: _shown(getattr(self, name)) for name in REMEMBERED}
        about |= {"run": repr(type(self)), "theta_grid": [*map(repr, self.theta_grid)]}
        for name in ("train", "dev", "pool", "avoid"):
            data = getattr(self, name)
            about[name] = (data if isinstance(data, Split) else Split(data, data)).digest()
        with opened(self.state, about) as self._kept:
            self._spent = self.ledger
            self._pass_gate()
            return self._all_rounds()

    def _check(self) -> None:
        method, grid = self.method, self.theta_grid
        for right, needed in (
            (method in METHODS, f"method={method!r}: it must be one of {', '.join(METHODS)}"),
            (self.seed >= 0, "seed must be 0 or more"),
            (self.budget is None or self.budget > 0, "budget must be above 0"),
            (grid and len(set(grid)) == len(grid), "theta_grid must have sets, and none twice"),
            (self.train and self.dev, "train and dev must not be empty"),
            (method == "finetune" or self.teacher is not None, "'finetune' alone needs no teacher"),
            (method != "agora" or self.tau is not None, "'agora' needs tau"),
            (method != "pseudo-label" or self.pool, "'pseudo-label' needs a pool"),
        ):
            if not right:
                raise OptionError(needed)

    def _pass_gate(self) -> None:
        """Ask the teacher about dev; the only time that it sees a dev point."""
        gate, teacher = self.gate, self.teacher
        if gate is None or teacher is None or self.method == "finetune":
            return
        labels = self.dev.labels
        found = self._kept.once(
            "gate.json", lambda: ask(teacher, self.dev.points), lambda said: measures(said, labels)
        )
        self._spent += Work(teacher_calls=len(labels))
        needed = 2 * gate - 1
        if found["accuracy"] <= gate or found["Matthews"] <= needed:
            raise TeacherError(
                f"the teacher is right on {found['accuracy']:.3f} of dev, and must be above "
                f"{gate:.3f}; its Matthews coefficient is {found['Matthews']:.3f}, and must be "
                f"above {needed:.3f} (a teacher that always says one class has 0): use a better "
                "one, or let it pass with gate=None (--no-gate) at your own risk"
            )

    def _all_rounds(self) -> Result:
        thetas, data = list(range(len(self.theta_grid))), self.train
        rounds: list[Round] = []
        stopped = "the method has no further round"
        while len(rounds) < METHODS[self.method]:
            if rounds and not self._affordable(rounds[-1], len(thetas)):
                stopped = "the next round would exceed the budget"
                break
            record, data = self._round(rounds[-1] if rounds else None, thetas, data)
            best = max([*rounds, record], key=lambda one: one.score)  # of equals, the first
            record = replace(record, pruned=self._pruned(record, self.theta_grid[best.leader]))
            rounds.append(record)
            self.progress(record)
            for other in rounds:
                if other.index not in (0, best.index, record.index):
                    self._kept.forget(self._kept.folder(other.index, other.leader))
            thetas = [i for i in thetas if i not in record.pruned]
            if not thetas:
                stopped = "every theta was pruned"
                break
        best = max(rounds, key=lambda one: one.score)
        control, student = (
            self.student_factory.load(self._kept.folder(one.index, one.leader) / "student")
            for one in (rounds[0], best)
        )
        theta = self.theta_grid[best.leader]
        return Result(student, theta, best, control, tuple(rounds), self._spent, stopped, data)

    def _round(self, last: Round | None, thetas: list[int], data: Split) -> tuple[Round, Split]:
        """Draw near the mistakes of the last round, train all thetas: the record, and train."""
        index = last.index + 1 if last else 0
        drawn = self._drawn(last, data) if last else Drawn(Split((), ()), 0, 0)
        data += drawn.split
        self._spent += Work(teacher_calls=len(drawn.split))
        outcomes = self._trained(index, thetas, data)
        self._price = sum(outcome.work.cost for outcome in outcomes.values()) / len(outcomes)
        leader = _leader(outcomes)
        pairs = zip(outcomes[leader].dev, self.dev.labels, strict=True)
        record = Round(
            index=index,
            thetas=tuple(thetas),
            scores=tuple(outcome.score for outcome in outcomes.values()),
            leader=leader,
            score=outcomes[leader].score,
            mistakes=tuple(i for i, (said, label) in enumerate(pairs) if said != label),
            train_size=len(data),
            added=len(drawn.split),
            leaked=drawn.leaked,
            missed=drawn.missed,
            cost=self._spent.cost,
        )
        return record, data

    def places(self, last: Round, rng: np.random.Generator) -> Sequence[int]:
        """The places in dev near which the round after `last` draws."""
        return last.mistakes

    def _drawn(self, last: Round, data: Split) -> Drawn:
        """The new points of the round after `last`, now or from an earlier process."""

        def make() -> Any:
            forbidden = [*map(key, [*self.dev.points, *self.avoid])]
            known: list[Any] = [*map(key, data.points)]
            teacher, tau = cast(Teacher, self.teacher), cast(Tau, self.tau)  # they were checked
            if self.method == "pseudo-label":
                drawn = label_pool(teacher, self.pool, forbidden, known)
            else:
                rng = np.random.default_rng([self.seed, last.index + 1, 0, 0])
                points = [self.dev.points[i] for i in self.places(last, rng)]
                drawn = draw(tau, teacher, points, forbidden, known, rng)
            return drawn.split.points, drawn.split.labels, drawn.leaked, drawn.missed

        def read(found: Any) -> Drawn:
            points, labels, leaked, missed = found
            return Drawn(Split(points, labels), leaked, missed)

        name = f"{self._kept.folder(last.index + 1).name}/points.json"
        return self._kept.once(name, make, read)

    def _trained(self, index: int, thetas: list[int], data: Split) -> dict[int, Outcome]:
        """The outcomes of all thetas; of their weights only the leader's stay."""
        trainings = [
            partial(
                train_one, self.student_factory, dict(self.theta_grid[i]), self._seed(index, i),
                data, self.dev, self._kept.folder(index, i),
            )
            for i in thetas
        ]  # fmt: skip
        outcomes: dict[int, Outcome] = {}
        futures = [*map(self.executor.submit, trainings)] if self.executor else []
        calls: Sequence[Callable[[], Outcome]] = [one.result for one in futures] or trainings
        for i, result in zip(thetas, calls, strict=True):
            try:
                outcomes[i] = outcome = result()
            except Exception as error:  # a student is anyone's code; or it is the executor's own
                for future in futures:  # not at Ctrl-C: a pool that has ended bears none
                    future.cancel()
                if isinstance(error, StateError):
                    raise
                raise StudentError(
                    f"round {index}, student {i} ({shown(self.theta_grid[i])}) could not be "
                    f"trained: {type(error).__name__}: {error}"
                ) from error
            self._spent += outcome.work
            done, cost, theta = len(outcomes), self._spent.cost, self.theta_grid[i]
            self.progress(Step(index, theta, done, len(thetas), len(data), cost, outcome.fresh))
            for loser in {*outcomes} - {_leader(outcomes)}:
                self._kept.forget(self._kept.folder(index, loser))
        return outcomes

    def _seed(self, index: int, i: int) -> int:
        """The theta's own, as the author has it; else one for this student alone."""
        given = dict(self.theta_grid[i]).get("seed")
        # index and i + 1 tell every student's seed from the draws' (0)
        derived = np.random.SeedSequence([self.seed, index, 0, i + 1]).generate_state(1)[0]
        return int(derived if given is None else given)

    def _pruned(self, record: Round, best: Theta) -> tuple[int, ...]:
        """What goes; the best student's set goes last."""
        if self.method != "agora":
            return ()
        scores = dict(zip(record.thetas, record.scores, strict=True))
        rising = [self.theta_grid[i] for i in sorted(scores, key=lambda i: (scores[i], -i))]
        dropped = to_drop(self.prune, rising, best)
        return tuple(i for i in record.thetas if self.theta_grid[i] in dropped)

    def _affordable(self, last: Round, students: int) -> bool:
        """Whether a round like the last, with all the new points it can have, fits the budget."""
        if self.budget is None:
            return True
        new = len(self.pool) if self.method == "pseudo-label" else len(last.mistakes)
        grown = self._price * (last.train_size + new) / last.train_size
        return self._spent.cost + new + grown * students <= self.budget


def _leader(outcomes: dict[int, Outcome]) -> int:
    """The best on dev; of equals, the first in the grid."""
    return max(outcomes, key=lambda i: (outcomes[i].score, -i))


def _shown(value: Any) -> str:
    """An option as the state directory remembers it: the same in every process."""
    if " at 0x" not in (text := repr(value)):
        return text
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
