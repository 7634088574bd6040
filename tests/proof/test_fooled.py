"""Tables and weights that once fooled the proof: each passed although the model was wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import converter
from converter.errors import ParityError
from converter.params import load_params, read_index
from converter.planning.options import Options
from converter.planning.plan import TablePlan, make_plan
from converter.proof.difference import BLIND, Difference
from converter.proof.parity import Parity, check_parity, run_source_side
from converter.proof.target import target_model
from tests import borts, zoo
from tests.faults.making import CONFIG, table_with, write_params

BIAS = "encoder.transformer_cells.{i}.ffn.ffn_1.bias"
EXPORTED = f"""
[head.spare]
export = ["{BIAS}"]

[config]"""


def arrays_of(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """What is in a file, to be changed."""
    return {name: array.copy() for name, array in load_params(path).items()}


def exporting(path: Path) -> Path:
    """Bort's table, with zeros for a bias that the file has, which is written beside the model."""
    dense = (
        '"ffn.ffn_1"                 = ["intermediate.dense", "intermediate_size", "hidden_size"]'
    )
    return table_with(
        path,
        (dense, ""),
        ("\n[zeros]", f'[layer.weight]\n{dense.replace(", ]", "]")}\n\n[zeros]'),
        ("[zeros]", '[zeros]\n"bert.encoder.layer.{i}.intermediate.dense.bias" = '
         '{ sizes = ["intermediate_size"], reason = "none" }'),
        ('heads = [], strip = "bert."', 'heads = [], export = ["spare"], reason = "no place", '
         'strip = "bert."'),
        ("\n[config]", EXPORTED),
    )  # fmt: skip


def test_what_the_model_needs_is_not_exported(tmp_path: Path) -> None:
    """Zeros in place of a bias: off by 1.05, while the reference ran without the bias too."""
    with pytest.raises(ParityError) as caught:
        converter.convert(
            borts.source("bort_backbone"),
            tmp_path / "out",
            table=exporting(tmp_path / "own.toml"),
            config=CONFIG,
        )
    assert caught.value.report.proof.bits.passed
    assert caught.value.report.proof.names.passed
    (problem,) = caught.value.report.proof.parity.problems
    assert problem.startswith("the exported tensors change layer 1, layer 2, projections:")
    assert not (tmp_path / "out").exists()


def test_a_layer_is_not_exported() -> None:
    plan = borts.plan_of("bort_backbone")
    layer = [e for n, e in plan.index.tensors.items() if ".transformer_cells.1." in n]
    problems = run_source_side(dataclasses.replace(plan, exported=tuple(layer))).problems
    assert problems == (
        "the exported tensors change the number of layers: they are needed in the model",
    )


def test_fewer_layers_than_the_source_has(tmp_path: Path) -> None:
    """It was a traceback of zip()."""
    plan = borts.plan_of("bort_backbone")
    with target_model(plan, borts.written(plan, tmp_path / "out")) as model:
        model.encoder.layer = model.encoder.layer[:1]
        model.config.num_hidden_layers = 1
        steps = tuple(step for step in plan.steps if ".layer.1." not in f".{step.target}")
        fewer = dataclasses.replace(plan, steps=steps)
        parity = check_parity(fewer, run_source_side(plan), model, Options.atol)
    assert parity.problems == ("the source has 2 layers, the target 1",)


def proven(path: Path, family: str, tmp_path: Path, **config: Any) -> Parity:
    """The parity of a conversion that fails; nothing is written."""
    with pytest.raises(ParityError) as caught:
        converter.convert(path, tmp_path / "out", family=family, **config)
    assert not (tmp_path / "out").exists()
    parity = caught.value.report.proof.parity
    assert isinstance(parity, Parity)
    return parity


@pytest.mark.parametrize("zeroed", [False, True])
def test_one_value_of_a_million_hides_all_others(zeroed: bool, tmp_path: Path) -> None:
    """A GPT-2 whose last norm adds 1e6 to one channel: what else it does is within rounding."""
    plan = zoo.plan_of("scripts/gpt2")
    arrays = arrays_of(plan.index.path)
    arrays["_final_ln.beta"][3] = 1e6
    if zeroed:
        arrays["_final_ln.gamma"][:] = 0
    path = write_params(tmp_path / "a.params", arrays)
    parity = proven(path, "gpt2", tmp_path, config=dict(plan.overrides))
    assert parity.verdict == "weak"
    assert any("its values are so large (up to 1e+06)" in p for p in parity.problems)


def test_norms_that_are_nothing(tmp_path: Path) -> None:
    """Two LayerNorms of 2e-5, exchanged, are equal within 1e-4."""
    arrays = arrays_of(borts.source("bort_backbone"))
    for name in arrays:
        if name.endswith(("gamma", "beta")):
            arrays[name] *= 2e-5
    path = write_params(tmp_path / "a.params", arrays)
    parity = proven(path, "bort", tmp_path, config=CONFIG)
    assert parity.verdict == "weak"
    assert any("layer 2: its values are so small" in p for p in parity.problems)


def test_a_weak_comparison_is_said_in_the_report(tmp_path: Path) -> None:
    from tests.cli.test_main import invoke

    arrays = arrays_of(borts.source("bort_backbone"))
    arrays["encoder.transformer_cells.1.ffn.layer_norm.gamma"] *= 1e-5
    arrays["encoder.transformer_cells.1.ffn.layer_norm.beta"] *= 1e-5
    path = write_params(tmp_path / "a.params", arrays)
    result = invoke(
        *("--src", str(path), "--dst", str(tmp_path / "out"), "--family", "bort"),
        *("--config", "num_attention_heads=4"),
    )
    assert result.exit_code == 3
    assert "parity  weak" in result.stdout
    assert "a difference of 10% of a usual one would not be seen" in result.stdout


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Difference("x", 1e-6, 1.0, 1e-6, 0, 9, unit=2.0), "ok"),
        (Difference("x", 1e-6, 1.0, 1e-6, 0, 9, unit=BLIND / 1e-4), "ok"),
        (Difference("x", 1e-6, 1.0, 1e-6, 0, 9, unit=1.01 * BLIND / 1e-4), "weak"),
        (Difference("x", 0.0, 0.0, 0.0, 9, 9), "weak"),
        (Difference("x", 0.0, 1.0, 0.0, 8, 9), "ok"),
        (Difference("x", 1e-3, 1.0, 1e-3, 0, 9), "FAILED"),
        (Difference("x", np.nan, 1.0, np.nan, 0, 9), "FAILED"),
    ],
)
def test_verdicts(found: Difference, verdict: str) -> None:
    assert found.verdict(1e-4) == verdict
    assert (found.problem(1e-4) is None) == (verdict == "ok")


def test_rounding_that_moves_the_outputs_fails(tmp_path: Path) -> None:
    """float16 has no numbers below 6e-8: embeddings of 1e-6 have two digits left in it."""
    arrays = arrays_of(borts.source("bort_backbone"))
    for name in ("word_embed.0.weight", "encoder.position_weight"):
        arrays[name] *= 1e-7
    path = write_params(tmp_path / "a.params", arrays)
    told = {**CONFIG, "layer_norm_eps": 1e-16}
    parity = proven(path, "bort", tmp_path, config=told, dtype="float16")
    assert any(
        p.startswith("rounding to float16 moves embeddings by")
        and p.endswith("choose --dtype bfloat16 or float32, or keep")
        for p in parity.problems
    )


def test_a_known_difference_is_bounded(tmp_path: Path) -> None:
    """GluonNLP 0.9.0's epsilon of the embeddings matters where these are tiny."""
    plan: TablePlan = zoo.plan_of("0.9.2/roberta_decoder", version="0.9.0")
    assert run_source_side(plan).problems == ()
    arrays = arrays_of(plan.index.path)
    for name in arrays:
        if "embed" in name or "position_weight" in name:
            arrays[name] *= 1e-3
    path = write_params(tmp_path / "a.params", arrays)
    tiny = make_plan(read_index(path), [plan.table], plan.overrides, gluonnlp="0.9.0")
    (problem,) = run_source_side(tiny).problems
    assert problem.startswith("the known difference embedding_layer_norm_eps moves embeddings by")
