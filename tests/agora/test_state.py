"""A run's directory: what was killed goes on, and what does not fit is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agora.errors import AgoraError, StateError
from agora.points import Label, Point, content
from agora.teachers import read_teacher
from benchmarks.agora.ways import Random
from tests.agora.commands import LABELS
from tests.agora.toys import run, split, truth


class Stopper:
    """A teacher that is killed after some calls."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def __call__(self, points: Sequence[Point]) -> Sequence[Label]:
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        return truth(points)


@pytest.mark.parametrize("more", [{}, {"method": "pseudo-label", "pool": [0.5, 1.5]}])
def test_killed_and_resumed_is_the_same(tmp_path: Path, more: dict[str, Any]) -> None:
    whole = run(**more)
    for calls in (0,) if "pool" in more else (0, 1):
        with pytest.raises(KeyboardInterrupt):
            run(teacher=Stopper(calls), state=tmp_path, **more)
    assert run(teacher=Stopper(99), state=tmp_path, **more).trace() == whole.trace()
    weights = list(tmp_path.glob("*/*/student"))
    assert len(weights) <= 3  # the best's, the last round's and the control's
    assert run(teacher=Stopper(0), state=tmp_path, **more).trace() == whole.trace()


def test_state_of_another_run_is_refused(tmp_path: Path) -> None:
    run(state=tmp_path)
    with pytest.raises(StateError, match="seed: was 0, is 1"):
        run(state=tmp_path, seed=1)
    with pytest.raises(StateError, match="dev: was"):
        run(state=tmp_path, dev=split(31, 2))
    with pytest.raises(StateError, match=r"teacher: was tests\.agora\.toys\.truth, is .*Stopper"):
        run(state=tmp_path, teacher=Stopper(99))
    with pytest.raises(StateError, match="avoid"):
        run(state=tmp_path, avoid=[0.5])
    with pytest.raises(StateError, match="run: was"):  # it draws elsewhere
        run(state=tmp_path, kind=Random)


def test_models_are_known_by_their_content(place: Path, tmp_path: Path) -> None:
    """A teacher, or a student's model, that was changed where it stands is another."""
    moved = tmp_path / "teacher"
    shutil.copytree(place / "teacher", moved)
    one, other = (read_teacher(str(p), None, LABELS, 64) for p in (place / "teacher", moved))
    assert repr(one) == repr(other)
    before = content(moved)
    weights = (moved / "model.safetensors").read_bytes()
    (moved / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert content(moved) != before
    assert repr(read_teacher(str(moved), None, LABELS, 64)) != repr(one)


@pytest.mark.parametrize("text", ["{", "[1", "null", "7", "[]", '{"of": "another form"}'])
@pytest.mark.parametrize(
    "name", ["gate.json", "round-001/points.json", "round-000/002/outcome.json"]
)
def test_state_that_is_damaged(name: str, text: str, tmp_path: Path) -> None:
    run(state=tmp_path, gate=2 / 3)
    (tmp_path / name).write_text(text)
    with pytest.raises(StateError, match=f"{name} is damaged"):
        run(state=tmp_path, gate=2 / 3)


def test_rounds_of_an_unknown_run_and_of_another_form_are_refused(tmp_path: Path) -> None:
    run(state=tmp_path)
    about = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**about, "form": 1}))
    with pytest.raises(StateError, match="another run") as caught:
        run(state=tmp_path)
    assert caught.value.problems == ("form: was 1, is 3",)
    (tmp_path / "run.json").write_text("[1]")
    with pytest.raises(StateError, match="damaged"):
        run(state=tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(StateError, match=r"no run\.json"):
        run(state=tmp_path)


def test_a_changed_outcome_changes_the_result(tmp_path: Path) -> None:
    """Negative control: the resumed run does read what is on disk."""
    whole = run(state=tmp_path)
    path = tmp_path / "round-000" / "000" / "outcome.json"
    values = json.loads(path.read_text())
    values[0] = [1 - value for value in values[0]]
    path.write_text(json.dumps(values))
    with pytest.raises((AssertionError, AgoraError, FileNotFoundError)):
        assert run(state=tmp_path).trace() == whole.trace()
