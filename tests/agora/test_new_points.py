"""What the loop makes of a teacher and of tau: the gate, soft labels, leakage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from agora import Split
from agora.errors import GateWarning, LeakageWarning, TeacherError
from agora.points import Label, Point
from tests.agora.toys import Recorder, Shift, run, split, truth


class Back(Shift):
    """tau that gives back what it got."""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return point


def test_identity_is_leakage_and_enters_nothing() -> None:
    with pytest.warns(LeakageWarning, match="identity is leakage"):
        result = run(tau=Back())
    assert result.train == split(6, 1)
    assert sum(r.leaked for r in result.rounds) > 0
    assert all(r.added == 0 for r in result.rounds)
    assert result.ledger.teacher_calls == 0


def test_points_to_avoid_are_never_emitted() -> None:
    class ToTest(Shift):
        def __call__(self, point: Point, rng: np.random.Generator) -> Point:
            return 0.5 if rng.random() < 0.5 else super().__call__(point, rng)

    with pytest.warns(LeakageWarning):
        result = run(tau=ToTest(), avoid=[0.5])
    assert 0.5 not in result.train.points
    assert 0.5 in run(tau=ToTest()).train.points


def test_gate() -> None:
    with pytest.raises(TeacherError, match=r"right on 0\.000 of dev, and must be above 0\.667"):
        run(teacher=Recorder(flip=True), gate=2 / 3)
    teacher = Recorder()
    result = run(teacher=teacher, gate=2 / 3)
    assert tuple(teacher.asked[:30]) == split(30, 2).points
    assert result.ledger.teacher_calls == len(teacher.asked)


def test_gate_warns_for_more_than_two_classes() -> None:
    dev = Split.of(split(30, 2).points, [i % 3 for i in range(30)])
    with pytest.warns(GateWarning, match="two classes"):
        run(dev=dev, gate=0.1, teacher=lambda points: [i % 3 for i in range(len(points))])


def test_teacher_that_knows_nothing() -> None:
    with pytest.warns(GateWarning, match="knows no dev point"):
        result = run(gate=2 / 3, teacher=lambda points: [None] * len(points))
    assert result.train == split(6, 1)


@pytest.mark.parametrize("labels", [[1], [float("nan")] * 100])
def test_teacher_that_answers_nonsense(labels: list[float]) -> None:
    with pytest.raises(TeacherError):
        run(teacher=lambda points: labels[: max(1, len(points))] if len(points) > 1 else [])


def test_soft_labels() -> None:
    def soft(points: Sequence[Point]) -> Sequence[Label]:
        return [(0.2, 0.8) if label else (0.9, 0.1) for label in truth(points)]

    assert set(run(teacher=soft).train.labels) <= {0, 1}
    assert (0.2, 0.8) in run(teacher=soft, soft=True).train.labels
    assert run(teacher=soft).trace()["rounds"] == run(teacher=truth).trace()["rounds"]
