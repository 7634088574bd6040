"""GluonNLP master's models: our arithmetic equals what its code recorded; the tables are proven."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from converter.proof.proof import prove
from converter.tables.load import load_family
from tests import borts, zoo_master
from tests.versions import TRANSFORMERS
from tests.zoo_master import worst

ATOL = 1e-5 if TRANSFORMERS > 4 else 2e-5  # measured: at most 4e-6, and 1.1e-5 with 4
CONVERTED = [n for n in zoo_master.NAMES if zoo_master.MANIFEST[n]["transformers_class"]]


@pytest.mark.parametrize("name", zoo_master.NAMES)
def test_arithmetic_equals_the_recording(name: str) -> None:
    found = worst(name)
    assert all(value <= ATOL for value in found.values()), found


@pytest.mark.parametrize("name", CONVERTED)
def test_what_master_wrote_is_proven_equal(name: str, tmp_path: Path) -> None:
    plan = zoo_master.plan_of(name)
    out = borts.written(plan, tmp_path / "out")
    proof = prove(plan, out, atol=ATOL, golden=zoo_master.golden(name))
    assert proof.passed, proof
    assert plan.transformers_class == zoo_master.MANIFEST[name]["transformers_class"]
    assert proof.golden is not None
    compared = {d.output for d in proof.golden.differences}
    assert {*zoo_master.recorded(name).named} <= compared
    recording = zoo_master.recorded(name)
    states = [f"layer {n + 1}" for n in range(len(recording.hidden_states))]
    if recording.decoder_states is not None:
        states += [f"decoder layer {n + 1}" for n in range(len(recording.decoder_states))]
    assert {*states} <= compared


def test_every_table_and_target_is_proven() -> None:
    plans = [zoo_master.plan_of(name) for name in CONVERTED]
    met = {(p.table.name, p.transformers_class, *sorted(p.heads)) for p in plans}
    expected = {
        (family, target.transformers_class, *sorted(target.heads | target.export))
        for family in {p.table.name for p in plans}
        for target in load_family(family).targets
    }
    assert met == expected


@pytest.mark.parametrize("name", [n for n in zoo_master.NAMES if n.endswith("_deduplicated")])
def test_deduplicated_files_hold_the_words_once(name: str) -> None:
    """As the zoo's do: the plan is that of the other file, but for a second name."""
    plan, whole = (zoo_master.plan_of(n) for n in (name, name.removesuffix("_deduplicated")))
    assert len(plan.index.tensors) < len(whole.index.tensors)
    assert {s.target for s in plan.steps} == {s.target for s in whole.steps}
    assert plan.transformers_class == whole.transformers_class


@pytest.mark.parametrize("name", zoo_master.NAMES)
def test_another_epsilon_is_seen(name: str) -> None:
    assert max(worst(name, layer_norm_eps=1e-3).values()) > ATOL


@pytest.mark.parametrize("name", zoo_master.NAMES)
def test_another_activation_is_seen(name: str) -> None:
    own = zoo_master.recorded(name).about["activation"]
    for other in {"gelu", "gelu_tanh", "relu"} - {own}:
        assert worst(name, activation=other)["layer 1"] > ATOL, other


@pytest.mark.parametrize("name", zoo_master.NAMES)
def test_another_number_of_heads_is_seen(name: str) -> None:
    about = zoo_master.recorded(name).about
    for heads in about.keys() & {"num_heads", "encoder_heads", "decoder_heads"}:
        found = worst(name, **{heads: 2})
        assert max(found.values()) > 1e-3, heads


@pytest.mark.parametrize("name", zoo_master.NAMES)
def test_padding_is_not_seen(name: str) -> None:
    """Other words behind the valid lengths change nothing before them."""
    inputs = zoo_master.recorded(name).inputs
    changed = dataclasses.replace(inputs, input_ids=np.where(inputs.valid(), inputs.input_ids, 0))
    decoder_valid = inputs.decoder_valid()
    if inputs.decoder_ids is not None and decoder_valid is not None:
        ids = np.where(decoder_valid, inputs.decoder_ids, 0)
        changed = dataclasses.replace(changed, decoder_ids=ids)
    assert (changed.input_ids != inputs.input_ids).any()
    found = worst(name, inputs=changed)
    assert all(value <= ATOL for value in found.values()), found
