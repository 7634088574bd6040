"""Noise test: any written tensor of any fixture, disturbed a little, makes the proof fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from converter.planning.options import Options
from converter.proof import parity
from converter.proof.difference import DenseDifferences, Difference
from converter.proof.parity import check_parity, run_source_side
from converter.proof.reference.layers import Array
from converter.proof.target import target_model
from tests import borts
from tests.families import FIXTURES
from tests.versions import TRANSFORMERS

NOISE = 0.01  # of the tensor's range
WHOLE = 10  # one proof in so many runs to its end, whatever it has seen
# What Transformers stores and does not use when the words are untied: a second copy of a tensor
# whose first copy is used. The bits show that the two are one; no output can.
UNUSED = {
    "bart_untied": {"model.shared.weight"},
    "bart_untied_deduplicated": {"model.shared.weight"},
    # In Transformers 4 it is what is added, and the other one is not
    "roberta_mlm_untied/model": {"lm_head.bias"} if TRANSFORMERS > 4 else set(),
}


@contextmanager
def disturbed(model: Any, name: str) -> Iterator[None]:
    """The loaded model with noise of ±1 % of a tensor's range on every value of it."""
    import torch

    tensor = model.state_dict(keep_vars=True)[name]
    held = tensor.clone()
    extent = max(float(held.max() - held.min()), float(held.abs().max()))
    signs = torch.randint(0, 2, held.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    tensor.copy_(held + NOISE * (extent or 1.0) * signs)
    try:
        yield
    finally:
        tensor.copy_(held)


class Seen(BaseException):
    """A Dense gave what fails the proof, whatever comes after it."""


class Stopping(DenseDifferences):
    """Ends a run of the target at the first Dense that differs, which saves half of this test.

    `passes`: how often each Dense gives its output. Of several times the last one counts, so that
    such a Dense ends nothing.
    """

    passes: ClassVar[Counter[str]] = Counter()
    stop = False

    def __setitem__(self, name: str, tap: Array) -> None:
        super().__setitem__(name, tap)
        if not self.stop:
            self.passes[name] += 1
        elif self.passes[name] == 1 and name in self._found:
            self.stop_if_it_differs(self._found[name])

    def stop_if_it_differs(self, found: Difference) -> None:
        if found.verdict(Options.atol) == "FAILED":
            raise Seen


@pytest.mark.parametrize("name", FIXTURES)
def test_noise_in_any_tensor_fails_the_proof(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = FIXTURES[name](name)
    out = borts.written(plan, tmp_path / "out")
    source = run_source_side(plan)
    unseen = set()
    monkeypatch.setattr(parity, "DenseDifferences", Stopping)
    monkeypatch.setattr(Stopping, "passes", Counter())
    with target_model(plan, out) as model:
        assert check_parity(plan, source, model, Options.atol).passed
        once = Counter({name: 1 for name, passes in Stopping.passes.items() if passes == 1})
        for number, step in enumerate(plan.steps):
            monkeypatch.setattr(Stopping, "stop", number % WHOLE > 0)
            monkeypatch.setattr(Stopping, "passes", once.copy())
            with disturbed(model, step.target), suppress(Seen):
                if check_parity(plan, source, model, Options.atol).passed:
                    unseen.add(step.target)
        assert check_parity(plan, source, model, Options.atol).passed, "all are back"
    with capsys.disabled():
        print(f"\n{name}: {len(plan.steps)} tensors disturbed, {len(unseen)} not seen")
    assert unseen == UNUSED.get(name, set())
    for target in unseen:
        (row,) = (row for row in plan.rows() if target in {step.target for step in row})
        assert {step.operation for step in row} == {"copy"}
        assert {step.target for step in row} - unseen
