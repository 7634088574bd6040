"""The rounds of one run: draw near the mistakes, train all thetas, pick, prune."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from agora.draw import Drawn, Tau, Teacher, ask, draw, label_pool
from agora.errors import OptionError, StudentError, TeacherError
from agora.grid import Prune, Theta, shown, to_drop
from agora.ledger import Ledger, Work
from agora.log import Result, Round, Step
from agora.measures import accuracy, measures
from agora.points import Point, Split, decode, encode, key
from agora.state import State
from agora.student import Outcome, StudentFactory, finished, train_one

GATE = 2 / 3  # the author: the teacher's accuracy must be above 2/3
METHODS = {"finetune": 1, "pseudo-label": 2, "agora": 1_000_000}  # rounds at most


@dataclass
class Run:
    """One run: what does not change, as `agora.loop` explains it, and the ledger, which does."""

    factory: StudentFactory
    teacher: Teacher | None
    train: Split
    dev: Split
    grid: tuple[Theta, ...]
    tau: Tau | None
    method: str
    pool: Sequence[Point]
    prune: str | Prune
    budget: float | None
    seed: int
    executor: Executor | None
    mistakes: str
    gate: float | None
    forbidden: frozenset[Any]
    ledger: Ledger
    state: State
    progress: Callable[[Round | Step], None] | None
    _last_price: float = 0.0  # of one student of the last round

    def all_rounds(self) -> Result:
        self._gate()
        thetas, data = list(range(len(self.grid))), self.train
        rounds: list[Round] = []
        stopped = "the method has no further round"
        while len(rounds) < METHODS[self.method]:
            if rounds and not self._affordable(rounds[-1], len(thetas)):
                stopped = "the next round would exceed the budget"
                break
            record, data = self._round(rounds[-1] if rounds else None, thetas, data)
            best = max([*rounds, record], key=lambda one: one.score)  # of equals, the first
            record = replace(record, pruned=self._pruned(record, self.grid[best.leader]))
            rounds.append(record)
            self._tell(record)
            for other in rounds:
                if other.index not in (0, best.index, record.index):
                    self.state.forget(self.state.folder(other.index, other.leader))
            thetas = [i for i in thetas if i not in record.pruned]
            if not thetas:
                stopped = "every theta was pruned"
                break
        best = max(rounds, key=lambda one: one.score)
        control, student = (
            self.factory.load(self.state.folder(record.index, record.leader) / "student")
            for record in (rounds[0], best)
        )
        theta = self.grid[best.leader]
        return Result(student, theta, best, control, tuple(rounds), self.ledger, stopped, data)

    def _round(
        self, last: Round | None, thetas: list[int], data: Split
    ) -> tuple[Round, Split]:  # fmt: skip
        """Draw near the mistakes of the last round, train all thetas: the record, and train."""
        index = last.index + 1 if last else 0
        drawn = self._drawn(last, data) if last else Drawn(Split((), ()), 0, 0)
        data += drawn.split
        self.ledger = self.ledger.spent(Work(), len(drawn.split))
        outcomes = self._trained(index, thetas, data)
        prices = [self.ledger.price(outcome.work) for outcome in outcomes.values()]
        self._last_price = sum(prices) / len(prices)
        scores = {i: self._score(outcomes[i]) for i in thetas}
        leader = max(thetas, key=lambda i: (scores[i], -i))
        pairs = zip(outcomes[leader].dev, self.dev.labels, strict=True)
        record = Round(
            index=index,
            thetas=tuple(thetas),
            scores=tuple(scores.values()),
            leader=leader,
            score=scores[leader],
            mistakes=tuple(i for i, (said, label) in enumerate(pairs) if said != label),
            train_size=len(data),
            added=len(drawn.split),
            leaked=drawn.leaked,
            missed=drawn.missed,
            cost=self.ledger.cost,
        )
        return record, data

    def _drawn(self, last: Round, data: Split) -> Drawn:
        """The new points of the round after `last`."""
        rng = np.random.default_rng([self.seed, last.index + 1, 0, 0])
        places = list(last.mistakes)
        if self.mistakes == "random":
            places = sorted(rng.choice(len(self.dev), len(places), replace=False).tolist())
        points = [self.dev.points[i] for i in places]
        known = [*map(key, data.points)]

        def make() -> Any:
            if self.teacher and self.method == "pseudo-label":
                drawn = label_pool(self.teacher, self.pool, self.forbidden, known)
            elif self.teacher and self.tau:
                drawn = draw(self.tau, self.teacher, points, self.forbidden, known, rng)
            else:
                raise OptionError("Agora needs a teacher and tau")
            return encode((drawn.split.points, drawn.split.labels, drawn.leaked, drawn.missed))

        name = f"{self.state.folder(last.index + 1).name}/points.json"

        def read(points: Any, labels: Any, leaked: Any, missed: Any) -> Drawn:
            return Drawn(Split(points, labels), leaked, missed)

        return self.state.once(name, make, lambda found: read(*decode(found)))

    def _trained(self, index: int, thetas: list[int], data: Split) -> dict[int, Outcome]:
        """The outcomes of all thetas; of their weights only the leader's stay."""
        trainings = {
            i: partial(
                train_one, self.factory, dict(self.grid[i]), self._seed(index, i), data, self.dev,
                self.state.folder(index, i),
            )
            for i in thetas
        }  # fmt: skip
        outcomes: dict[int, Outcome] = {}
        for i, outcome, fresh in self._completed(index, trainings):
            outcomes[i] = outcome
            self.ledger = self.ledger.spent(outcome.work)
            done, cost = len(outcomes), self.ledger.cost
            self._tell(Step(index, self.grid[i], done, len(thetas), len(data), cost, fresh))
            leader = max(outcomes, key=lambda i: (self._score(outcomes[i]), -i))
            for loser in {*outcomes} - {leader}:
                self.state.forget(self.state.folder(index, loser))
        return outcomes

    def _seed(self, index: int, i: int) -> int:
        """The theta's own, as the author has it; else one for this student alone."""
        given = dict(self.grid[i]).get("seed")
        # index and i + 1 tell every student's seed from the draws' (0)
        derived = np.random.SeedSequence([self.seed, index, 0, i + 1]).generate_state(1)[0]
        return int(derived if given is None else given)

    def _completed(
        self, index: int, trainings: Mapping[int, Callable[[], Outcome]]
    ) -> Iterator[tuple[int, Outcome, bool]]:
        """Every outcome, as it comes; first those of an earlier process."""
        left = dict(trainings)
        for i in trainings:
            if done := finished(self.state.folder(index, i)):
                del left[i]
                yield i, done, False
        futures: dict[Any, int] = {}
        coming: Iterable[tuple[int, Callable[[], Outcome]]] = left.items()
        if self.executor:
            futures = {self.executor.submit(train): i for i, train in left.items()}
            coming = ((futures[future], future.result) for future in as_completed(futures))
        for i, result in coming:
            try:
                outcome = result()
            except Exception as error:  # a student is anyone's code; or it is the executor's own
                for other in futures:
                    other.cancel()
                raise StudentError(
                    f"round {index}, student {i} ({shown(self.grid[i])}) could not be trained: "
                    f"{type(error).__name__}: {error}"
                ) from error
            yield i, outcome, True

    def _tell(self, what: Round | Step) -> None:
        if self.progress:
            self.progress(what)

    def _score(self, outcome: Outcome) -> float:
        return accuracy(outcome.dev, self.dev.labels)

    def _pruned(self, record: Round, best: Theta) -> tuple[int, ...]:
        """What goes; the best student's set goes last."""
        if self.method != "agora":
            return ()
        scores = dict(zip(record.thetas, record.scores, strict=True))
        rising = [self.grid[i] for i in sorted(record.thetas, key=lambda i: (scores[i], -i))]
        dropped = to_drop(self.prune, rising, best)
        return tuple(i for i in record.thetas if self.grid[i] in dropped)

    def _affordable(self, last: Round, students: int) -> bool:
        """Whether a round like the last, with all the new points it can have, fits the budget."""
        if self.budget is None:
            return True
        new = len(self.pool) if self.method == "pseudo-label" else len(last.mistakes)
        grown = self._last_price * (last.train_size + new) / last.train_size
        return self.ledger.cost + self.ledger.teacher * new + grown * students <= self.budget

    def _gate(self) -> None:
        """Ask the teacher about dev; the only time that it sees a dev point."""
        gate, teacher = self.gate, self.teacher
        if gate is None or teacher is None or self.method == "finetune":
            return
        said = self.state.once("gate.json", lambda: ask(teacher, self.dev.points), list)
        self.ledger = self.ledger.spent(Work(), len(self.dev))
        found, needed = measures(said, self.dev.labels), 2 * gate - 1
        if found["accuracy"] <= gate or found["Matthews"] <= needed:
            raise TeacherError(
                f"the teacher is right on {found['accuracy']:.3f} of dev, and must be above "
                f"{gate:.3f}; its Matthews coefficient is {found['Matthews']:.3f}, and must be "
                f"above {needed:.3f} (a teacher that always says one class has 0): use a better "
                "one, or let it pass with gate=None (--no-gate) at your own risk"
            )
