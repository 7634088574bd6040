"""What the loop makes of a teacher and of tau: the gate, leakage."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef

from agora import Split
from agora.draw import draw
from agora.errors import TeacherError
from agora.points import Point, key, measures
from tests.agora.toys import Recorder, Shift, run, split


class Back(Shift):
    """tau that gives back what it got."""

    def __call__(self, point: Point, rng: np.random.Generator) -> Point:
        return point


def test_identity_is_leakage_and_enters_nothing() -> None:
    result = run(tau=Back())
    assert result.train == split(6, 1)
    assert sum(r.leaked for r in result.rounds) > 0
    assert all(r.added == 0 for r in result.rounds)
    assert result.ledger.teacher_calls == 0


def test_points_to_avoid_are_never_emitted() -> None:
    class ToTest(Shift):
        def __call__(self, point: Point, rng: np.random.Generator) -> Point:
            return 0.5 if rng.random() < 0.5 else super().__call__(point, rng)

    assert 0.5 not in run(tau=ToTest(), avoid=[0.5]).train.points
    assert 0.5 in run(tau=ToTest()).train.points


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a  film", "a film"),
        ("a film ", "a\u00a0film"),
        ("caf\u00e9", "cafe\u0301"),
        ("\ufb01lm", "film"),
        ("a\tfilm\n", " a film"),
        (("a", "b  c"), ("a ", "b c")),
    ],
)
def test_texts_are_compared_after_normalisation(one: Point, other: Point) -> None:
    assert key(one) == key(other)
    assert key("a film") != key("afilm")
    assert key("a film") != key("A film")


def test_dev_with_other_whitespace_is_leakage() -> None:
    """tau writes a dev text with single spaces: it is dev's text all the same."""

    def joined(point: Point, rng: np.random.Generator) -> Point:
        return " ".join(point.split())

    drawn = draw(
        joined, lambda p: [1] * len(p), ["a  b"], {key("a  b")}, (), np.random.default_rng(0)
    )
    assert (len(drawn.split), drawn.missed) == (0, 1)
    assert drawn.leaked > 0


def test_gate() -> None:
    with pytest.raises(TeacherError, match=r"right on 0\.000 of dev, and must be above 0\.667"):
        run(teacher=Recorder(flip=True), gate=2 / 3)
    teacher = Recorder()
    result = run(teacher=teacher, gate=2 / 3)
    assert tuple(teacher.asked[:30]) == split(30, 2).points
    assert result.ledger.teacher_calls == len(teacher.asked)


def test_a_constant_teacher_does_not_pass_however_large_the_majority() -> None:
    points = split(30, 2).points
    dev = Split(points, [int(i < 4) for i in range(30)])  # 87 % are 0
    with pytest.raises(TeacherError, match=r"right on 0\.867.*Matthews coefficient is 0\.000"):
        run(dev=dev, gate=2 / 3, teacher=lambda points: [0] * len(points))
    known = dict(zip(dev.points, dev.labels, strict=True))
    run(dev=dev, gate=2 / 3, teacher=lambda points: [known.get(point, 0) for point in points])


def test_measures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for classes in (2, 3):
        said, labels = (rng.integers(classes, size=50).tolist() for _ in range(2))
        ours = measures(said, labels)
        assert ours["macro-F1"] == pytest.approx(f1_score(labels, said, average="macro"))
        assert ours["Matthews"] == pytest.approx(matthews_corrcoef(labels, said))
    assert measures([0, 0], [0, 1])["Matthews"] == 0


@pytest.mark.parametrize("labels", [[1], [float("nan")] * 100])
def test_teacher_that_answers_nonsense(labels: list[float]) -> None:
    with pytest.raises(TeacherError):
        run(teacher=lambda points: labels[: max(1, len(points))] if len(points) > 1 else [])
