"""Agora and every other way to spend the same compute, on one problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from agora import Classification, Ledger, Split, Work, agora
from agora.draw import draw
from agora.grid import Theta
from agora.points import key
from agora.student import Student
from benchmarks.agora.tasks import Problem, Students


@dataclass(frozen=True)
class Measured:
    """The student that a way chose."""

    test: float
    dev: float  # what it was chosen by
    cost: float
    runs: int


@dataclass
class Search:
    """Trains students until the cost is spent, and keeps the best on the split that chooses."""

    train: Split
    chooser: Split
    target: float
    ledger: Ledger
    students: Students
    runs: int = 0
    best: Student | None = None
    best_score: float = -1.0

    def run(self, theta: Theta, seed: int, choose: bool = True) -> float | None:
        """Train one student, if what is left pays for it: its score, or None."""
        left = (self.target - self.ledger.cost) / self.ledger.student
        fitted = self.students.fitted(theta, left, len(self.train), len(self.chooser))
        if fitted is None:
            return None
        student = self.students.make(dict(fitted), seed, None)
        work = student.fit(self.train, self.chooser) + Work(forwards=len(self.chooser))
        score = Classification().score(student.predict(self.chooser.points), self.chooser.labels)
        self.ledger = self.ledger.spent(work)
        self.runs += 1
        if choose and score > self.best_score:
            self.best, self.best_score = student, score
        return score

    def measured(self, problem: Problem) -> Measured:
        if self.best is None:
            raise ValueError("nothing was trained")
        return Measured(_test(self.best, problem), self.best_score, self.ledger.cost, self.runs)


def ways(problem: Problem, seed: int, ledger: Ledger) -> Iterator[tuple[str, Measured]]:
    """Every way and what it reached; all at the cost of the first. Name, figures."""
    train, dev, students = problem.train, problem.dev, problem.students
    first = _agora(problem, seed, ledger, "worst")
    yield "Agora (worst)", first[0]
    target, added = first[0].cost, first[1]

    def search(data: Split, chooser: Split, calls: int = 0) -> Measured:
        found = Search(data, chooser, target, ledger.spent(Work(), calls), students)
        for i in count():
            if found.run(students.grid[i % len(students.grid)], _seed(seed, i)) is None:
                break
        return found.measured(problem)

    yield "grid search", search(train, dev)
    moved = np.random.default_rng([seed, 2]).permutation(len(dev))
    halves = [
        Split(tuple(dev.points[i] for i in half), tuple(dev.labels[i] for i in half))
        for half in np.array_split(moved, 2)
    ]
    yield "grid, half of dev in train", search(train + halves[0], halves[1])
    for name, near in (("train", train), ("dev", dev)):
        # as many new points as Agora had at the end
        draws = -(-added // len(near))
        points = [*near.points]
        rng = np.random.default_rng([seed, 3])
        forbidden = map(key, [*dev.points, *problem.test.points])
        drawn = draw(
            problem.tau, problem.teacher, points, draws, forbidden, map(key, train.points), rng
        )
        some = rng.permutation(len(drawn.split))[:added]
        split = Split(
            tuple(drawn.split.points[i] for i in some), tuple(drawn.split.labels[i] for i in some)
        )
        yield f"one-shot tau({name}) and grid", search(train + split, dev, len(split))
    yield "Agora on random dev points", _agora(problem, seed, ledger, "worst", mistakes="random")[0]
    yield "successive halving", _halving(problem, seed, ledger, target)
    plain = Search(train, dev, target, ledger, students)
    left = target / ledger.student
    plain.run(students.patient(left, len(train), len(dev)), _seed(seed, 0))
    yield "plain, early stopping", plain.measured(problem)
    for rule in ("run", "lcs", "half"):
        yield f"Agora ({rule}), as much as it takes", _agora(problem, seed, ledger, rule)[0]


def _agora(
    problem: Problem, seed: int, ledger: Ledger, prune: str, mistakes: str = "leader"
) -> tuple[Measured, int]:
    result = agora(
        problem.students,
        problem.teacher,
        problem.train,
        problem.dev,
        problem.students.grid,
        problem.tau,
        prune=prune,
        seed=seed,
        gate=None,  # the teachers' accuracy is set
        mistakes="random" if mistakes == "random" else "leader",
        avoid=problem.test.points,
        ledger=ledger,
    )
    runs = sum(len(record.thetas) for record in result.rounds)
    measured = Measured(
        _test(result.student, problem), result.chosen.score, result.ledger.cost, runs
    )
    return measured, len(result.train) - len(problem.train)


def _halving(problem: Problem, seed: int, ledger: Ledger, target: float) -> Measured:
    """Brackets of four rungs, half the thetas each and twice the samples, until all is spent."""
    students = problem.students
    found = Search(problem.train, problem.dev, target, ledger, students)
    for bracket in count():
        thetas: Sequence[Theta] = students.grid
        for rung in range(4):
            scores = []
            for i, theta in enumerate(thetas):
                name = _seed(seed, bracket * 1000 + rung * 100 + i)
                choose = rung == 3 or found.best is None
                score = found.run(students.part(theta, 2**rung / 4), name, choose)
                if score is None:
                    return found.measured(problem)
                scores.append(score)
            rising = sorted(range(len(thetas)), key=lambda i: -scores[i])
            thetas = [thetas[i] for i in rising[: max(1, len(thetas) // 2)]]
    raise AssertionError


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, 4, place]).generate_state(1)[0])


def _test(student: Student, problem: Problem) -> float:
    return Classification().score(student.predict(problem.test.points), problem.test.labels)
