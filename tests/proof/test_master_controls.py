"""What would be wrong in a conversion of GluonNLP master's models, done on purpose: it is seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import converter
from converter.errors import PlanError
from converter.params import load_params, read_index
from converter.planning.plan import TablePlan, make_plan
from converter.proof.parity import Parity
from converter.proof.proof import prove
from converter.tables.load import family_names, load_family
from converter.writing.model import write_model
from tests import borts, zoo_master

Arrays = dict[str, np.ndarray]


def parity_of(plan: TablePlan, folder: Path, change: Callable[[Arrays], Arrays]) -> Parity:
    """The verdict on what was written once `change` has changed some of it."""
    path = borts.written(plan, folder / "out") / "model.safetensors"
    written = load_file(path)
    changed = change(written)
    assert changed
    save_file(written | changed, path)
    proof = prove(plan, path.parent)
    assert not proof.bits.passed
    assert proof.names.passed
    assert proof.parity is not None
    return proof.parity


@pytest.mark.parametrize("name", ["bart", "bart_untied", "xlmr_mlm"])
def test_positions_without_the_two_rows_are_seen(name: str, tmp_path: Path) -> None:
    def moved(written: Arrays) -> Arrays:
        return {
            key: np.roll(value, -2, axis=0) for key, value in written.items() if "position" in key
        }

    assert not parity_of(zoo_master.plan_of(name), tmp_path, moved).passed


def swapped(first: str, second: str) -> Callable[[Arrays], Arrays]:
    """Exchange the tensors whose names differ by these."""

    def change(written: Arrays) -> Arrays:
        pairs = [(key, key.replace(first, second)) for key in written if first in key]
        return {a: written[b] for a, b in pairs} | {b: written[a] for a, b in pairs}

    return change


def test_gate_and_gated_exchanged_are_seen(tmp_path: Path) -> None:
    parity = parity_of(zoo_master.plan_of("mt5"), tmp_path, swapped(".wi_0.", ".wi_1."))
    assert {d.output for d in parity.differences if d.max_abs_diff > 0.01} >= {"layer 1"}


@pytest.mark.parametrize("name", ["t5", "mt5"])
@pytest.mark.parametrize(("side", "rows"), [("encoder", (14, 15)), ("decoder", (29, 30))])
def test_a_wrong_bucket_of_far_positions_is_seen(
    name: str, side: str, rows: tuple[int, int], tmp_path: Path
) -> None:
    """Buckets that no two positions of a text of 80 tokens are far enough for."""

    def exchanged(written: Arrays) -> Arrays:
        key = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        table = written[key].copy()
        table[[*rows]] = table[[*rows[::-1]]]
        return {key: table}

    assert not parity_of(zoo_master.plan_of(name), tmp_path, exchanged).passed


@pytest.mark.parametrize("name", ["t5", "mt5"])
def test_another_reach_of_the_positions_is_seen(name: str, tmp_path: Path) -> None:
    plan = zoo_master.plan_of(name)
    config = {**plan.config, "relative_attention_max_distance": 127}
    plan = dataclasses.replace(plan, config=config)
    proof = prove(plan, borts.written(plan, tmp_path / "out"))
    assert proof.bits.passed
    assert proof.names.passed
    assert not proof.passed


@pytest.mark.parametrize("name", ["t5_with_beta", "mt5_with_beta"])
def test_a_beta_that_is_not_zero_is_refused(name: str, tmp_path: Path) -> None:
    plan = zoo_master.plan_of(name)
    with pytest.raises(PlanError) as caught:
        write_model(plan, tmp_path)
    assert [problem.split(" must be all zeros")[0] for problem in caught.value.problems] == [
        entry.name for entry in plan.match.zero
    ]
    assert "encoder.layers.0.self_attn_layer_norm.beta must be all zeros" in str(caught.value)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("name", ["bart_untied", "bart_untied_deduplicated"])
def test_a_decoder_that_is_not_tied_is_refused_unless_said(name: str, tmp_path: Path) -> None:
    plan = zoo_master.plan_of(name, tie_word_embeddings=True)
    with pytest.raises(PlanError, match="--config tie_word_embeddings=false converts it so"):
        write_model(plan, tmp_path)


def test_two_embeddings_are_refused_whatever_is_said(tmp_path: Path) -> None:
    """BartModel(shared_embed=False): Transformers' BART has one vocabulary."""
    arrays = {**load_params(zoo_master.source("bart_untied"))}
    arrays["tgt_embed_layer.weight"] = arrays["tgt_embed_layer.weight"] + 1
    converter.save_params(tmp_path / "a.params", arrays)
    told = {**zoo_master.MANIFEST["bart_untied"]["config"]}
    plan = make_plan(read_index(tmp_path / "a.params"), [load_family("bart_1x")], told)
    with pytest.raises(PlanError, match=r"tgt_embed_layer.* the target class cannot hold it"):
        write_model(plan, tmp_path)


@pytest.mark.parametrize("name", ["t5_inference", "mt5_inference"])
def test_another_output_layer_than_the_embedding_is_refused(name: str, tmp_path: Path) -> None:
    arrays = {**load_params(zoo_master.source(name))}
    arrays["output_layer.weight"] = arrays["output_layer.weight"] + 1
    converter.save_params(tmp_path / "a.params", arrays)
    table = load_family(zoo_master.MANIFEST[name]["family"])
    plan = make_plan(read_index(tmp_path / "a.params"), [table], {})
    with pytest.raises(PlanError, match=r"output_layer.* the target class cannot hold it"):
        write_model(plan, tmp_path)


@pytest.mark.parametrize("name", ["roberta", "xlmr_mlm"])
def test_files_of_roberta_and_xlm_r_look_the_same(name: str) -> None:
    """The size of the vocabulary tells the zoo's apart; others have to be told."""
    tables = [load_family(family) for family in family_names()]
    index = read_index(zoo_master.source(name))
    with pytest.raises(PlanError) as caught:
        make_plan(index, tables, {"num_attention_heads": 3})
    found = [problem.split(":")[0] for problem in caught.value.problems]
    assert found == ["roberta_1x_master", "xlmr_1x"]
    for family, words in (("roberta_1x_master", 50265), ("xlmr_1x", 250002)):
        known = load_family(family).known
        assert {entry.config["vocab_size"] for entry in known} == {words}


def test_what_shares_one_parameter_may_be_stored_several_times_only_by_plan(tmp_path: Path) -> None:
    plan = zoo_master.plan_of("bart")
    path = borts.written(plan, tmp_path / "out") / "model.safetensors"
    written = load_file(path)
    written["lm_head.weight"] = written["model.shared.weight"]
    save_file(written, path)
    assert prove(plan, path.parent).names.problems == (
        "stored more than once: lm_head.weight = model.shared.weight",
    )
