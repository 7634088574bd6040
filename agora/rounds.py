"""The rounds of one run: draw near the mistakes, train all thetas, pick, prune."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agora.draw import Drawn, Tau, Teacher, ask, draw, label_pool
from agora.errors import OptionError, StudentError, TeacherError
from agora.grid import Prune, Theta, shown, to_drop
from agora.ledger import Ledger, Work
from agora.log import Result, Round, Step
from agora.points import Point, Split, key
from agora.state import State
from agora.student import Order, Outcome, StudentFactory, finished, train_one
from agora.task import Task

GATE = 2 / 3  # the author: the teacher's accuracy must be above 2/3
METHODS = {"finetune": 1, "pseudo-label": 2, "agora": 1_000_000}  # rounds at most


@dataclass(frozen=True)
class Options:
    """Every choice that the author's text leaves open, and ours; `agora.loop` explains them."""

    method: str
    prune: str | Prune
    replay: int
    draws: int
    mistakes: str
    gate: float | None
    budget: float | None


@dataclass
class Run:
    """One run: what does not change, and the ledger, which does."""

    factory: StudentFactory
    teacher: Teacher | None
    train: Split
    dev: Split
    grid: tuple[Theta, ...]
    tau: Tau | None
    options: Options
    seed: int
    executor: Executor | None
    task: Task
    state: State
    ledger: Ledger
    progress: Callable[[Round | Step], None] | None
    forbidden: frozenset[Any]
    pool: Sequence[Point]
    _last_price: float = 0.0  # of one student of the last round

    def all_rounds(self) -> Result:
        self._gate()
        thetas = list(range(len(self.grid)))
        rounds = [self._attempt(None, 0, thetas, self.train)[0]]
        best = last = rounds[0]
        data = self.train
        rounds[0] = last = best = self._pruned(best, best)
        self._tell(last)
        thetas = [i for i in thetas if i not in last.pruned]
        while more := thetas and last.index + 1 < METHODS[self.options.method]:
            if not self._affordable(last, len(thetas)):
                break
            tried = [self._attempt(last, 0, thetas, data)]
            while (
                max(record.score for record, _ in tried) < last.score
                and len(tried) <= self.options.replay
                and self._affordable(last, len(thetas))
            ):
                tried.append(self._attempt(last, len(tried), thetas, data))
            record, data = max(tried, key=lambda one: one[0].score)
            best = record if record.score > best.score else best
            last = self._pruned(record, best)
            best = last if best is record else best
            thetas = [i for i in thetas if i not in last.pruned]
            for other, _ in tried:
                rounds.append(last if other is record else replace(other, accepted=False))
                self._tell(rounds[-1])
            for other in rounds:
                if other.folder not in (best.folder, last.folder, rounds[0].folder):
                    self.state.forget(self.state.directory / other.folder)
        control, student = (
            self.factory.load(self.state.directory / record.folder / "student")
            for record in (rounds[0], best)
        )
        stopped = "every theta was pruned" if not thetas else "the method has no further round"
        stopped = "the next round would exceed the budget" if more else stopped
        theta = self.grid[best.leader]
        return Result(student, theta, best, control, tuple(rounds), self.ledger, stopped, data)

    def _attempt(
        self, last: Round | None, again: int, thetas: list[int], data: Split
    ) -> tuple[Round, Split]:
        """Draw near the mistakes of the last round, train all thetas: the record, and train."""
        index = last.index + 1 if last else 0
        drawn = self._drawn(last, again, data) if last else Drawn(Split((), ()), (), 0, 0, 0)
        data += drawn.split
        self.ledger = self.ledger.spent(Work(), drawn.asked)
        outcomes = self._trained(index, again, thetas, data)
        prices = [self.ledger.price(outcome.work) for outcome in outcomes]
        self._last_price = sum(prices) / len(prices)
        scores = [self._score(outcome) for outcome in outcomes]
        place = max(range(len(thetas)), key=lambda i: (scores[i], -i))
        pairs = zip(outcomes[place].dev, self.dev.labels, strict=True)
        record = Round(
            index,
            again,
            tuple(thetas),
            tuple(scores),
            thetas[place],
            scores[place],
            tuple(i for i, pair in enumerate(pairs) if not self.task.right(*pair)),
            len(data),
            len(drawn.split),
            drawn.asked,
            drawn.leaked,
            drawn.missed,
            float(np.mean(drawn.distances)) if drawn.distances else 0.0,
            self.ledger.cost,
        )
        return record, data

    def _drawn(self, last: Round, again: int, data: Split) -> Drawn:
        """The new points of the round after `last`."""
        rng = np.random.default_rng([self.seed, last.index + 1, again, 0])
        places = list(last.mistakes)
        if self.options.mistakes == "random":
            places = sorted(rng.choice(len(self.dev), len(places), replace=False).tolist())
        points = [self.dev.points[i] for i in places]
        folder = self.state.folder(last.index + 1, again)
        known = [*map(key, data.points)]

        def make() -> Any:
            tau, teacher, draws = self.tau, self.teacher, self.options.draws
            if teacher and self.options.method == "pseudo-label":
                return label_pool(teacher, self.pool, self.forbidden, known).json()
            if not (tau and teacher):
                raise OptionError("Agora needs a teacher and tau")
            return draw(tau, teacher, points, draws, self.forbidden, known, rng).json()

        return Drawn.from_json(self.state.once(f"{folder.name}/points.json", make))

    def _trained(self, index: int, again: int, thetas: list[int], data: Split) -> list[Outcome]:
        """The outcomes of all thetas; of their weights only the leader's stay."""
        orders = {
            i: Order(
                dict(self.grid[i]),
                self._seed(index, again, i),
                data,
                self.dev,
                self.state.folder(index, again, i),
            )
            for i in thetas
        }
        outcomes: dict[int, Outcome] = {}
        leader: tuple[float, int] | None = None
        for i, outcome, fresh in self._completed(index, orders):
            outcomes[i] = outcome
            self.ledger = self.ledger.spent(outcome.work)
            done, cost = len(outcomes), self.ledger.cost
            self._tell(Step(index, again, self.grid[i], done, len(thetas), len(data), cost, fresh))
            score = (self._score(outcome), -i)
            loser = i
            if leader is None or score > leader:
                loser = -leader[1] if leader else i
                leader = score
            if -leader[1] != loser:
                self.state.forget(orders[loser].folder)
        return [outcomes[i] for i in thetas]

    def _seed(self, index: int, again: int, i: int) -> int:
        """The theta's own, as the author has it; else one for this student alone."""
        given = dict(self.grid[i]).get("seed")
        # index, again and i + 1 tell every student's seed from the draws' (0)
        derived = np.random.SeedSequence([self.seed, index, again, i + 1]).generate_state(1)[0]
        return int(derived if given is None else given)

    def _completed(
        self, index: int, orders: dict[int, Order]
    ) -> Iterator[tuple[int, Outcome, bool]]:
        """Every outcome, as it comes; first those of an earlier process."""
        left = dict(orders)
        for i, order in orders.items():
            done = finished(order.folder)
            if done:
                del left[i]
                yield i, done, False
        if self.executor is None:
            for i, order in left.items():
                try:
                    outcome = train_one(self.factory, order)
                except Exception as error:  # a student is anyone's code
                    raise self._failed(index, i, error) from error
                yield i, outcome, True
            return
        futures = {
            self.executor.submit(train_one, self.factory, order): i for i, order in left.items()
        }
        for future in as_completed(futures):
            try:
                outcome = future.result()
            except Exception as error:  # the student's, or the executor's own
                for other in futures:
                    other.cancel()
                raise self._failed(index, futures[future], error) from error
            yield futures[future], outcome, True

    def _failed(self, index: int, i: int, error: Exception) -> StudentError:
        return StudentError(
            f"round {index}, student {i} ({shown(self.grid[i])}) could not be trained: "
            f"{type(error).__name__}: {error}"
        )

    def _tell(self, what: Round | Step) -> None:
        if self.progress:
            self.progress(what)

    def _score(self, outcome: Outcome) -> float:
        score = self.task.score(outcome.dev, self.dev.labels)
        return score if np.isfinite(score) else -np.inf

    def _pruned(self, record: Round, best: Round) -> Round:
        """The record with what goes; the best student's set goes last."""
        if self.options.method != "agora":
            return record
        scores = dict(zip(record.thetas, record.scores, strict=True))
        rising = [self.grid[i] for i in sorted(record.thetas, key=lambda i: (scores[i], -i))]
        dropped = set(to_drop(self.options.prune, rising, self.grid[best.leader]))
        return replace(record, pruned=tuple(i for i in record.thetas if self.grid[i] in dropped))

    def _affordable(self, last: Round, students: int) -> bool:
        """Whether a round like the last, with all the new points it can have, fits the budget."""
        if self.options.budget is None:
            return True
        new = len(last.mistakes) * self.options.draws
        new = len(self.pool) if self.options.method == "pseudo-label" else new
        grown = self._last_price * (last.train_size + new) / last.train_size
        asked = self.ledger.teacher * new
        return self.ledger.cost + asked + grown * students <= self.options.budget

    def _gate(self) -> None:
        """Ask the teacher about dev; the only time that it sees a dev point."""
        gate, teacher = self.options.gate, self.teacher
        if gate is None or teacher is None or self.options.method == "finetune":
            return
        said = self.state.once("gate.json", lambda: ask(teacher, self.dev.points))
        self.ledger = self.ledger.spent(Work(), len(self.dev))
        right = [self.task.right(*pair) for pair in zip(said, self.dev.labels, strict=True)]
        share, needed = float(np.mean(right)), 2 * gate - 1
        matthews = self.task.measures(said, self.dev.labels).get("Matthews", 1.0)
        if share <= gate or matthews <= needed:
            raise TeacherError(
                f"the teacher is right on {share:.3f} of dev, and must be above {gate:.3f}; its "
                f"Matthews coefficient is {matthews:.3f}, and must be above {needed:.3f} (a "
                "teacher that always says one class has 0): use a better one, or let it pass with "
                "gate=None (--no-gate) at your own risk"
            )
