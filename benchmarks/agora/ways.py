"""Agora and every other way to spend the same compute, on one problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import mode

import numpy as np
import numpy.typing as npt

from agora import Round, Run, Split, Work
from agora.draw import draw, label_pool
from agora.grid import Prune, Theta, lcs, worst
from agora.points import accuracy, key
from agora.student import Student
from benchmarks.agora.problem import Problem, Students


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
    students: Students
    ledger: Work = field(default_factory=Work)
    runs: int = 0
    best: Student | None = None
    best_score: float = -1.0

    def run(self, theta: Theta, seed: int, choose: bool = True) -> float | None:
        """Train one student, if what is left pays for it: its score, or None."""
        left = self.target - self.ledger.cost
        fitted = self.students.fitted(theta, left, len(self.train), len(self.chooser))
        if fitted is None:
            return None
        student = self.students.make(dict(fitted), seed)
        work = student.fit(self.train, self.chooser) + Work(forwards=len(self.chooser))
        score = accuracy(student.predict(self.chooser.points), self.chooser.labels)
        self.ledger += work
        self.runs += 1
        if choose and score > self.best_score:
            self.best, self.best_score = student, score
        return score

    def measured(self, problem: Problem) -> Measured:
        if self.best is None:
            raise ValueError("nothing was trained")
        return Measured(_test(self.best, problem), self.best_score, self.ledger.cost, self.runs)


def run(thetas: Sequence[Theta]) -> Sequence[Theta]:
    """From the worst upward, drop as long as all dropped share some (name, value)."""
    common = set(thetas[0])
    for i, theta in enumerate(thetas[1:], 1):
        common &= set(theta)
        if not common:
            return thetas[:i]
    return thetas


def half(thetas: Sequence[Theta]) -> Sequence[Theta]:
    """Drop the worse half: successive halving's rule. A control, no reading of Agora."""
    return thetas[: max(1, len(thetas) // 2)]


class Random(Run):
    """A control: draws near as many random points of dev as there are mistakes."""

    def places(self, last: Round, rng: np.random.Generator) -> Sequence[int]:
        return sorted(rng.choice(len(self.dev), len(last.mistakes), replace=False).tolist())


def ways(problem: Problem, seed: int) -> Iterator[tuple[str, Measured]]:
    """Every way and what it reached; all at the cost of the first. Name, figures."""
    train, dev, students = problem.train, problem.dev, problem.students
    first = agora_way(problem, seed, worst)
    yield "Agora (worst)", first[0]
    target, added = first[0].cost, first[1]
    yield "grid search", _search(problem, seed, target, train, dev)
    halves = [_part(dev, half) for half in np.array_split(_mixed(seed, 2, dev), 2)]
    data = train + halves[0]
    yield "grid, half of dev in train", _search(problem, seed, target, data, halves[1])
    for name, near in (("train", train), ("dev", dev)):
        # as many new points as Agora had at the end
        drawn = _drawn(problem, seed, near, -(-added // len(near)), added)
        found = _search(problem, seed, target, train + drawn, dev, len(drawn))
        yield f"one-shot tau({name}) and grid", found
    random, _ = agora_way(problem, seed, worst, Random)
    yield "Agora on random dev points", random
    yield "successive halving", _halving(problem, seed, target)
    plain = Search(train, dev, target, students)
    plain.run(students.patient(target, len(train), len(dev)), _seed(seed, 0))
    yield "plain, early stopping", plain.measured(problem)
    for rule in (run, lcs, half):
        name = f"Agora ({rule.__name__}), as much as it takes"
        yield name, agora_way(problem, seed, rule)[0]
    yield from more_ways(problem, seed, target)


def more_ways(problem: Problem, seed: int, target: float) -> Iterator[tuple[str, Measured]]:
    """The ways that need nothing of Agora's run but its cost, and the two that cost nothing."""
    train, dev, test = problem.train, problem.dev, problem.test
    forbidden = map(key, [*dev.points, *test.points])
    pool = label_pool(problem.teacher, problem.pool, forbidden, map(key, train.points)).split
    found = _search(problem, seed, target, train + pool, dev, len(pool))
    yield "pseudo-label and grid", found
    yield "5-fold on train and dev, refit", _crossed(problem, seed, target)
    drawn = _drawn(problem, seed, dev, 20, 20 * len(dev))
    found = _search(problem, seed, target, train + drawn, dev, len(drawn))
    yield "one-shot tau(dev) × 20 and grid", found
    for name, said in (
        ("the teacher itself", problem.teacher),
        ("majority class", lambda points: [mode(sorted(train.labels))] * len(points)),
    ):
        on_test, on_dev = (accuracy(said(part.points), part.labels) for part in (test, dev))
        yield name, Measured(on_test, on_dev, 0.0, 0)


def _search(
    problem: Problem, seed: int, target: float, data: Split, chooser: Split,
    calls: int = 0,
) -> Measured:  # fmt: skip
    """A grid search, with new seeds every time it is through, until the cost is spent."""
    students = problem.students
    found = Search(data, chooser, target, students, Work(teacher_calls=calls))
    for i in count():
        if found.run(students.grid[i % len(students.grid)], _seed(seed, i)) is None:
            return found.measured(problem)
    raise AssertionError


def _crossed(problem: Problem, seed: int, target: float) -> Measured:
    """A grid search by the mean of five folds, and then the best set once more, on everything."""
    students, everything = problem.students, problem.train + problem.dev
    folds = np.array_split(_mixed(seed, 5, everything), 5)
    found = Search(everything, problem.dev, target, students)
    scores: dict[Theta, list[float]] = {theta: [] for theta in students.grid}
    whole = 0.0  # what a run costs, the last may be shorter: one more is to be paid at the end
    for i in count():
        theta = students.grid[i // 5 % len(students.grid)]
        rest = np.concatenate([folds[j] for j in range(5) if j != i % 5])
        found.train, found.chooser = _part(everything, rest), _part(everything, folds[i % 5])
        before = found.ledger.cost
        found.target = target - whole
        score = found.run(theta, _seed(seed, i), choose=False)
        if score is None:
            break
        scores[theta].append(score)
        whole = max(whole, found.ledger.cost - before)
    means = {theta: float(np.mean(some)) for theta, some in scores.items() if some}
    best = max(means, key=lambda theta: means[theta])
    found.train, found.chooser, found.target = everything, problem.dev, found.ledger.cost + whole
    found.run(best, _seed(seed, -1))
    found.best_score = means[best]
    return found.measured(problem)


def _drawn(problem: Problem, seed: int, near: Split, draws: int, count: int) -> Split:
    """At most `count` points near a split's, labelled by the teacher."""
    rng = np.random.default_rng([seed, 3])
    forbidden = map(key, [*problem.dev.points, *problem.test.points])
    known = map(key, problem.train.points)
    points = [point for point in near.points for _ in range(draws)]
    drawn = draw(problem.tau, problem.teacher, points, forbidden, known, rng).split
    return _part(drawn, rng.permutation(len(drawn))[:count])


def _mixed(seed: int, stream: int, split: Split) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, stream]).permutation(len(split))


def _part(split: Split, places: Iterable[int]) -> Split:
    places = [*places]
    return Split([split.points[i] for i in places], [split.labels[i] for i in places])


def agora_way(
    problem: Problem, seed: int, prune: Prune, kind: type[Run] = Run
) -> tuple[Measured, int]:
    """Agora itself: what it reached, and how many points it added."""
    result = kind(
        problem.students,
        problem.teacher,
        problem.train,
        problem.dev,
        problem.students.grid,
        problem.tau,
        prune=prune,
        seed=seed,
        gate=None,  # the teachers' accuracy is set
        avoid=problem.test.points,
    ).result()
    runs = sum(len(record.thetas) for record in result.rounds)
    measured = Measured(
        _test(result.student, problem), result.chosen.score, result.ledger.cost, runs
    )
    return measured, len(result.train) - len(problem.train)


def _halving(problem: Problem, seed: int, target: float) -> Measured:
    """Brackets of four rungs, half the thetas each and twice the samples, until all is spent."""
    students = problem.students
    found = Search(problem.train, problem.dev, target, students)
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
    return int(np.random.SeedSequence([seed, 4, place % 2**32]).generate_state(1)[0])


def _test(student: Student, problem: Problem) -> float:
    return accuracy(student.predict(problem.test.points), problem.test.labels)
