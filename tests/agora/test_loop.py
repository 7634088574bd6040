from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agora import Round, Run, Step, Work, grid
from agora.errors import OptionError, StudentError
from agora.grid import lcs, worst
from benchmarks.agora.ways import Random, half
from tests.agora.toys import GRID, Marker, Nearest, Neighbours, Recorder, run, split, truth

options = st.fixed_dictionaries(
    {
        "prune": st.sampled_from([worst, lcs, half]),
        "kind": st.sampled_from([Run, Random]),
        "seed": st.integers(0, 2**32),
    }
)


@settings(max_examples=12)
@given(options, st.integers(1, 8), st.integers(1, 20))
def test_invariants(chosen: dict[str, Any], train_size: int, dev_size: int) -> None:
    teacher, tau = Recorder(flip=True), Marker()  # a liar: its labels are told from dev's
    train, dev = split(train_size, 1), split(dev_size, 2)
    result = run(train, dev, teacher, tau=tau, **chosen)
    rounds = result.rounds
    assert len(rounds) <= len(GRID)
    assert [record.index for record in rounds] == list(range(len(rounds)))
    assert result.stopped == "every theta was pruned"
    assert sorted(i for r in rounds for i in r.pruned) == list(range(len(GRID)))
    for before, after in pairwise(rounds):
        assert after.added <= len(before.mistakes) <= dev_size
        assert after.train_size == before.train_size + after.added
    # the teacher is asked about tau's output alone, and its labels, not dev's, enter train
    assert set(teacher.asked) <= set(tau.given)
    new = list(zip(result.train.points, result.train.labels, strict=True))[train_size:]
    assert result.train.points[:train_size] == train.points
    assert not {point for point, _ in new} & set(dev.points)
    assert all(label == 1 - truth([point])[0] for point, label in new)
    # the ledger, recomputed from the log: updates and dev forwards of every student
    students = sum(len(r.thetas) for r in result.rounds)
    assert result.ledger.forwards == students * dev_size
    assert result.ledger.updates == sum(len(r.thetas) * r.train_size for r in result.rounds)
    assert result.ledger.teacher_calls == len(teacher.asked)
    assert result.rounds[-1].cost == result.ledger.cost
    # what is returned is what the log says
    assert result.chosen.score == max(r.score for r in rounds)
    said = result.student.predict(dev.points)
    wrong = tuple(i for i, label in enumerate(dev.labels) if said[i] != label)
    assert wrong == result.chosen.mistakes


@settings(max_examples=4)
@given(options)
def test_same_seed_same_trace(chosen: dict[str, Any]) -> None:
    assert run(**chosen).trace() == run(**chosen).trace()


def test_another_seed_is_another_run() -> None:
    assert run(seed=1).trace() != run(seed=2).trace()


def test_no_mistakes_terminates() -> None:
    dev = split(10, 2)
    result = run(train=dev, dev=dev, theta_grid=grid(forget=[0.0], name=["a", "b", "c"]))
    assert [record.mistakes for record in result.rounds] == [(), (), ()]
    assert result.ledger.teacher_calls == 0
    assert result.train == dev


def test_mistakes_are_learnt() -> None:
    """The point of it all: with an exact teacher, dev's mistakes go away, and so do test's."""
    test = split(500, 3)
    result = run(split(6, 1), split(60, 2), theta_grid=grid(forget=[0.0], name=range(6)))
    first = result.rounds[0]
    assert len(first.mistakes) > 5
    assert result.chosen.score > first.score + 0.05
    said = result.student.predict(test.points)
    alone = Neighbours().make({}, 0)
    alone.fit(split(6, 1), test)
    plain = np.mean(np.array(alone.predict(test.points)) == test.labels)
    assert np.mean(np.array(said) == test.labels) > plain + 0.05


def test_budget_stops_before_it_is_exceeded() -> None:
    whole = run().ledger.cost
    for share in (0.3, 0.5, 0.8):
        result = run(budget=whole * share)
        assert result.stopped == "the next round would exceed the budget"
        assert len(result.rounds) < len(GRID)
        assert result.ledger.cost <= whole * share
    assert len(run(budget=1).rounds) == 1  # the first always runs
    assert run(budget=whole * 2).trace()["rounds"] == run().trace()["rounds"]


def test_an_update_costs_three_forward_passes_and_a_call_one() -> None:
    assert (Work(9, 4, 1) + Work(1, 0, 2)).cost == 3 * 10 + 4 + 3


def test_student_that_fails_is_named() -> None:
    with pytest.raises(StudentError, match=r"round 0, student 1 \(fail=1\).*told to fail"):
        run(theta_grid=grid(fail=[0, 1]))


def test_student_that_says_too_little_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nearest, "predict", lambda self, points: [0] * (len(points) - 1))
    with pytest.raises(StudentError, match=r"round 0, student 0 .*: 30 points and 29 labels"):
        run()


@pytest.mark.parametrize(
    "more",
    [
        {"theta_grid": ()},
        {"theta_grid": GRID[:1] * 2},
        {"prune": lambda thetas: []},
        {"method": "none"},
        {"method": "pseudo-label"},
        {"teacher": None},
        {"tau": None},
        {"budget": 0},
        {"seed": -1},
        {"budget": float("nan")},
    ],
)
def test_options_that_mean_nothing(more: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        run(**more)


def test_finetune_is_the_first_round_of_agora() -> None:
    """The control for free: what a grid search would have found, at its cost."""
    whole = run()
    alone = run(method="finetune", teacher=None, tau=None)
    assert alone.rounds == (replace(whole.rounds[0], pruned=()),)
    points = split(300, 3).points
    assert whole.control.predict(points) == alone.student.predict(points)
    assert whole.rounds[0].cost == alone.ledger.cost


def test_pseudo_labels_are_the_teachers_of_the_pool() -> None:
    pool, dev, train = split(40, 9), split(30, 2), split(6, 1)
    teacher = Recorder(flip=True)
    given = [*pool.points, pool.points[0], dev.points[0], train.points[0], 0.5]
    result = run(method="pseudo-label", tau=None, teacher=teacher, pool=given, avoid=[0.5])
    assert len(result.rounds) == 2
    assert result.train.points == train.points + pool.points
    assert list(result.train.labels[6:]) == [1 - label for label in pool.labels]
    assert teacher.asked == [*pool.points]
    assert result.rounds[1].leaked == 2
    assert result.rounds[0].cost < result.ledger.cost
    assert run(method="pseudo-label", pool=pool.points).chosen.index == 1  # with the truth, better


def test_seeds_are_part_of_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """A theta with a seed has it in every round; others get new ones, told from every other."""
    used: list[tuple[Any, int]] = []
    make = Neighbours.make

    def spy(self: Neighbours, theta: Any, seed: int) -> Any:
        used.append((theta.get("seed"), seed))
        return make(self, theta, seed)

    monkeypatch.setattr(Neighbours, "make", spy)
    run(theta_grid=grid(seed=[3, 5], forget=[0.0, 0.3]))
    assert {seed for _, seed in used} == {3, 5}
    assert all(given == seed for given, seed in used)
    used.clear()
    run()
    assert len({seed for _, seed in used}) == len(used)


def test_steps_are_told_and_hold_no_score() -> None:
    told: list[Round | Step] = []
    result = run(progress=told.append)
    steps = [what for what in told if isinstance(what, Step)]
    assert len(steps) == sum(len(r.thetas) for r in result.rounds)
    assert [what for what in told if isinstance(what, Round)] == [*result.rounds]
    assert [step.cost for step in steps] == sorted(step.cost for step in steps)
    assert not {"score", "dev"} & {*vars(steps[0])}
