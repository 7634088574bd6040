"""Noise test: any written tensor of any fixture, disturbed a little, makes the proof fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from converter.planning.options import Options
from converter.planning.plan import TablePlan
from converter.proof.parity import check_parity, run_source_side
from converter.proof.target import target_model
from tests import borts, zoo, zoo_1x, zoo_master
from tests.versions import TRANSFORMERS

NOISE = 0.01  # of the tensor's range
CONVERTED = [n for n in zoo_master.NAMES if zoo_master.MANIFEST[n]["transformers_class"]]
FIXTURES: dict[str, Callable[[str], TablePlan]] = {
    **dict.fromkeys(borts.NAMES, borts.plan_of),
    **dict.fromkeys(zoo.NAMES, zoo.plan_of),
    **dict.fromkeys(zoo_1x.NAMES, zoo_1x.plan_of),
    **dict.fromkeys(CONVERTED, zoo_master.plan_of),
}
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
    yield
    tensor.copy_(held)


@pytest.mark.parametrize("name", FIXTURES)
def test_noise_in_any_tensor_fails_the_proof(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = FIXTURES[name](name)
    out = borts.written(plan, tmp_path / "out")
    source = run_source_side(plan)
    unseen = set()
    with target_model(plan, out) as model:
        for step in plan.steps:
            with disturbed(model, step.target):
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
