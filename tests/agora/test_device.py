"""Students, teachers, scoring and the masked language model run where `device` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agora import Split
from agora.bort import Borts
from agora.tau import HOLE, Filler
from agora.teachers import read_teacher
from tests.agora.commands import LABELS

TEXTS = ("the film was good", "the plot was bad")


class StoppedError(Exception):
    """Raised in the place of a model's answer."""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Where a model is, and the ids that it is given, as if this machine had another device.

    That is torch's "meta": every machine has it, and nothing is there that was not moved.
    """
    devices: list[tuple[str, str]] = []

    def called(self: torch.nn.Module, **inputs: torch.Tensor) -> Any:
        place = next(self.parameters()).device.type
        devices.append((place, inputs["input_ids"].device.type))
        raise StoppedError

    for module in ("bort", "tau"):
        monkeypatch.setattr(f"agora.{module}.device", lambda: "meta")
    monkeypatch.setattr(torch.nn.Module, "__call__", called)
    return devices


def test_students_teachers_and_the_masked_language_model(
    place: Path, seen: list[tuple[str, str]]
) -> None:
    student = Borts(str(place / "bort"), LABELS).make({"lr": 1e-3}, 0)
    some = Split(TEXTS, [0, 1])
    teacher = read_teacher(str(place / "teacher"), None, LABELS, 64)
    filler = Filler(place / "bort")
    for run in (
        lambda: student.fit(some, some),
        lambda: student.predict(TEXTS),
        lambda: teacher(TEXTS),
        lambda: filler([f"the {HOLE} was good"], np.random.default_rng(0)),
    ):
        with pytest.raises(StoppedError):
            run()
    assert seen == [("meta", "meta")] * 4
