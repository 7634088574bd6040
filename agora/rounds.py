"""The rounds of one run: draw near the mistakes, train all thetas, pick, prune."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agora.draw import Drawn, Tau, Teacher, ask, draw
from agora.errors import GateWarning, OptionError, StudentError, TeacherError
from agora.grid import Theta, shown, to_drop
from agora.ledger import Ledger, Work
from agora.log import Result, Round
from agora.options import Options
from agora.points import Label, Point, Split, decode, encode, key
from agora.state import State
from agora.student import Order, Outcome, StudentFactory, finished, train_one
from agora.task import Classification, Task


@dataclass
class Run:
    """One run: what does not change, and the ledger, which does."""

    factory: StudentFactory
    teacher: Teacher
    train: Split
    dev: Split
    grid: tuple[Theta, ...]
    tau: Tau
    options: Options
    seed: int
    executor: Executor | None
    selection: Split | None
    task: Task
    state: State
    ledger: Ledger
    progress: Callable[[Round], None] | None
    forbidden: frozenset[Any]
    _last_price: float = 0.0  # of one student of the last round

    def all_rounds(self) -> Result:
        self._gate()
        thetas = list(range(len(self.grid)))
        rounds: list[Round] = []
        best: Round | None = None
        last: Round | None = None
        data = self.train
        while thetas and self._affordable(last, len(thetas)):
            tried = [self._attempt(last, 0, thetas, data, best)]
            while (
                last
                and max(record.score for record, _ in tried) < last.score
                and len(tried) <= self.options.replay
                and self._affordable(last, len(thetas))
            ):
                tried.append(self._attempt(last, len(tried), thetas, data, best))
            record, data = max(tried, key=lambda one: one[0].score)
            if best is None or record.score > best.score:
                best = record
            dropped = self._dropped(record, best)
            thetas = [i for i in thetas if i not in dropped]
            for other, _ in tried:
                same = other is record
                rounds.append(replace(other, accepted=same, pruned=dropped if same else ()))
                if self.progress:
                    self.progress(rounds[-1])
            for other in rounds:
                if other.folder not in (best.folder, record.folder):
                    self.state.forget(self.state.directory / other.folder)
            last = record
        if best is None or last is None:
            raise OptionError("theta_grid is empty")
        chosen = best if self.options.keep == "best" else last
        student = self.factory.load(self.state.directory / chosen.folder / "student")
        stopped = "the next round would exceed the budget" if thetas else "every theta was pruned"
        return Result(
            student, self.grid[chosen.leader], chosen, tuple(rounds), self.ledger, stopped, data
        )

    def _attempt(
        self, last: Round | None, again: int, thetas: list[int], data: Split, best: Round | None
    ) -> tuple[Round, Split]:
        """Draw near the mistakes of the last round, train all thetas: the record, and train."""
        began = time.monotonic()
        index = last.index + 1 if last else 0
        drawn = self._drawn(last, again, data) if last else None
        if drawn:
            data = (data if self.options.growth == "cumulative" else self.train) + drawn.split
            self.ledger = self.ledger.spent(Work(), drawn.asked)
        outcomes = self._trained(index, again, thetas, data, best)
        for outcome in outcomes:
            self.ledger = self.ledger.spent(outcome.work)
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
            len(drawn.split) if drawn else 0,
            drawn.asked if drawn else 0,
            drawn.leaked if drawn else 0,
            drawn.missed if drawn else 0,
            float(np.mean(drawn.distances)) if drawn and drawn.distances else 0.0,
            self.ledger.cost,
            seconds=time.monotonic() - began,
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

        def make() -> Any:
            known = map(key, data.points)
            return draw(
                self.tau, self._hard, points, self.options.draws, self.forbidden, known, rng
            ).json()

        return Drawn.from_json(self.state.once(f"{folder.name}/points.json", make))

    def _hard(self, points: Sequence[Point]) -> Sequence[Any]:
        labels = ask(self.teacher, points)
        return labels if self.options.soft else [*map(hard, labels)]

    def _trained(
        self, index: int, again: int, thetas: list[int], data: Split, best: Round | None
    ) -> list[Outcome]:
        """The outcomes of all thetas; of their weights only the leader's stay."""
        start = None
        if self.options.start == "best" and best:
            start = self.state.directory / best.folder / "student"
        orders = {
            i: Order(
                dict(self.grid[i]),
                # index + 1, again and i + 1 tell every student's seed from the draws' (0)
                int(np.random.SeedSequence([self.seed, index, again, i + 1]).generate_state(1)[0]),
                data,
                self.dev,
                self.selection,
                self.state.folder(index, again, i),
                start,
            )
            for i in thetas
        }
        outcomes: dict[int, Outcome] = {}
        leader: tuple[float, int] | None = None
        for i, outcome in self._completed(index, orders):
            outcomes[i] = outcome
            score = (self._score(outcome), -i)
            loser = i
            if leader is None or score > leader:
                loser = -leader[1] if leader else i
                leader = score
            if -leader[1] != loser:
                self.state.forget(orders[loser].folder)
        return [outcomes[i] for i in thetas]

    def _completed(self, index: int, orders: dict[int, Order]) -> Iterator[tuple[int, Outcome]]:
        """Every outcome, as it comes; first those of an earlier process."""
        left = dict(orders)
        for i, order in orders.items():
            done = finished(order.folder)
            if done:
                del left[i]
                yield i, done
        if self.executor is None:
            for i, order in left.items():
                try:
                    yield i, train_one(self.factory, order)
                except Exception as error:  # a student is anyone's code
                    raise self._failed(index, i, error) from error
            return
        futures = {
            self.executor.submit(train_one, self.factory, order): i for i, order in left.items()
        }
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except Exception as error:  # the student's, or the executor's own
                for other in futures:
                    other.cancel()
                raise self._failed(index, futures[future], error) from error

    def _failed(self, index: int, i: int, error: Exception) -> StudentError:
        return StudentError(
            f"round {index}, student {i} ({shown(self.grid[i])}) could not be trained: "
            f"{type(error).__name__}: {error}"
        )

    def _score(self, outcome: Outcome) -> float:
        split = self.selection or self.dev
        score = self.task.score(outcome.selection if self.selection else outcome.dev, split.labels)
        return score if np.isfinite(score) else -np.inf

    def _dropped(self, record: Round, best: Round) -> tuple[int, ...]:
        scores = dict(zip(record.thetas, record.scores, strict=True))
        rising = sorted(record.thetas, key=lambda i: (scores[i], -i))
        kept = self.grid[best.leader] if self.options.guard else None
        dropped = set(to_drop(self.options.prune, [self.grid[i] for i in rising], kept))
        return tuple(i for i in record.thetas if self.grid[i] in dropped)

    def _affordable(self, last: Round | None, students: int) -> bool:
        """Whether a round like the last fits the budget. The first round always does."""
        if self.options.budget is None or last is None:
            return True
        return self.ledger.cost + self._last_price * students <= self.options.budget

    def _gate(self) -> None:
        """Ask the teacher about dev; the only time that it sees a dev point."""
        if self.options.gate is None:
            return
        said = self.state.once(
            "gate.json", lambda: [*map(encode, ask(self.teacher, self.dev.points))]
        )
        self.ledger = self.ledger.spent(Work(), len(self.dev))
        known = [
            (hard(decode(one)), label)
            for one, label in zip(said, self.dev.labels, strict=True)
            if one is not None
        ]
        if not known:
            warnings.warn("the teacher knows no dev point: it is not checked", GateWarning, 4)
            return
        right = sum(self.task.right(*pair) for pair in known) / len(known)
        if right <= self.options.gate:
            raise TeacherError(
                f"the teacher is right on {right:.3f} of dev, and must be above "
                f"{self.options.gate:.3f}: use a better one, or gate=None at your own risk"
            )
        if isinstance(self.task, Classification) and len(set(self.dev.labels)) > 2:
            warnings.warn(
                "the gate is the author's for two classes; for more it is only a rule of thumb",
                GateWarning,
                stacklevel=4,
            )


def hard(label: Label | None) -> Label | None:
    """The likeliest class of a tuple of probabilities; any other label as it is."""
    return int(np.argmax(label)) if isinstance(label, tuple) else label
