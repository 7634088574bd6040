"""Mutation test of the table: swap the targets of any two rows of one shape; the proof fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from converter.planning.options import Options
from converter.planning.plan import TablePlan
from converter.planning.steps import Step
from converter.proof.parity import check_parity, run_source_side
from converter.proof.proof import prove
from converter.proof.target import target_model
from converter.writing.model import write_model
from tests import borts, zoo, zoo_1x, zoo_master

pytestmark = pytest.mark.exhaustive

# Whole: every pair. bort_ffn_equals_positions has FFN = positions, as the real bort_2_16_512_1024
# (512) has. The other two differ from bort_classifier in the head's rows alone.
BORTS = {
    "bort_decoder": "",
    "bort_ffn_equals_positions": "",
    "bort_classifier": "",
    "bort_classifier_no_dropout": "classifier.",
    "bort_regression": "classifier.",
}
# One whole for every other table, then what the other heads add; a head whose tensors share their
# shapes with none (bert's classifier, regression and tagger) cannot be swapped with anything.
ZOO = {
    "0.8.3/bert_full": "",
    "0.8.3/bert_qa": "span_classifier.",
    "0.10.0/distilbert": "",
    "0.10.0/ernie": "",
    "0.10.0/roberta_decoder": "",
    "0.10.0/roberta_classifier": "classifier.",
    "0.10.0/roberta_classifier_no_dropout": "classifier.",
    "scripts/gpt2": "",
    "scripts/xlnet": "",
}
MASTER = {
    "gpt2_lm": "",
    "bart": "",
    "bart_untied": "tgt_final_layer.",
    "t5": "",
    "mt5": "encoder.layers.0.ffn.",
    "xlmr_mlm": "",
    "roberta_mlm": "mlm_decoder.",
}
ZOO_1X = {
    "albert_pretrain_groups/model": "",
    "bert_pretrain/model": "",
    "electra_disc/model": "",
    "electra_gen/model": "mlm_decoder.",
    "mobilebert_pretrain/model": "",
    "roberta_mlm/model": "",
    "roberta_mlm_untied/model": "lm_head.dense2.weight",
}
WRITTEN = 25  # one swap in so many is written and read back
MUTATED = BORTS | ZOO | MASTER | ZOO_1X


def swaps(plan: TablePlan, beginning: str) -> Iterator[tuple[Step, Step, TablePlan]]:
    """Every plan in which two sources of one shape have exchanged their targets, all layers.

    One of the two must begin with `beginning`.
    """
    for a, b in combinations([step for step in plan.steps if step.source], 2):
        begins = any(step.source.name.startswith(beginning) for step in (a, b) if step.source)
        if begins and a.shape == b.shape and a.operation == b.operation:
            exchanged = {
                a.target: dataclasses.replace(a, target=b.target),
                b.target: dataclasses.replace(b, target=a.target),
            }
            steps = tuple(exchanged.get(step.target, step) for step in plan.steps)
            yield a, b, dataclasses.replace(plan, steps=steps)


@contextmanager
def swapped(model: Any, one: str, other: str) -> Iterator[None]:
    """The loaded model with two of its parameters exchanged, for a while."""
    parameters = dict(model.named_parameters())
    first, second = parameters[one], parameters[other]
    held = first.clone(), second.clone()
    first.copy_(held[1])
    second.copy_(held[0])
    yield
    first.copy_(held[0])
    second.copy_(held[1])


@pytest.mark.parametrize("name", MUTATED)
def test_every_pair_swap_fails_the_proof(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parity sees each swap, made in the loaded model; some are also written and read back."""
    tables = {
        **dict.fromkeys(BORTS, borts.plan_of),
        **dict.fromkeys(MASTER, zoo_master.plan_of),
        **dict.fromkeys(ZOO_1X, zoo_1x.plan_of),
    }
    plan = tables.get(name, zoo.plan_of)(name)
    right = borts.written(plan, tmp_path / "right")
    assert prove(plan, right).passed
    tried, survived, mutant = 0, [], tmp_path / "mutant"
    mutant.mkdir()
    source = run_source_side(plan)
    with target_model(plan, right) as model:
        for a, b, wrong in swaps(plan, MUTATED[name]):
            tried += 1
            with swapped(model, a.target, b.target):
                seen = not check_parity(wrong, source, model, Options.atol).passed
            if tried % WRITTEN == 1:
                write_model(wrong, mutant)
                proof = prove(wrong, mutant)
                assert proof.bits.passed, "the bits cannot see a swap: that is what parity is for"
                assert proof.names.passed
                assert proof.passed is not seen
            if not seen:
                survived.append(f"{a.target} ↔ {b.target}")
        assert check_parity(plan, source, model, Options.atol).passed, "all are back"
    with capsys.disabled():
        print(f"\n{name}: {tried} pairs swapped, {tried - len(survived)} caught")
    assert tried > (0 if MUTATED[name] else 50)
    assert survived == []
