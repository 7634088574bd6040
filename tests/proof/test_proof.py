"""The three questions: each is answered well by a right directory, and by a wrong one not."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from converter.errors import ConvertError
from converter.planning.plan import TablePlan
from converter.proof.difference import difference
from converter.proof.proof import TableProof, prove
from converter.proof.reference import settings as reference_settings
from converter.proof.reference.settings import REFERENCES, Setting
from tests import borts

Tensors = dict[str, np.ndarray]
WORDS = "bert.embeddings.word_embeddings.weight"
KEY_BIAS = "bert.encoder.layer.1.attention.self.key.bias"


@pytest.fixture
def right(tmp_path: Path) -> tuple[TablePlan, Path]:
    plan = borts.plan_of("bort_decoder")
    return plan, borts.written(plan, tmp_path / "out")


def change(directory: Path, edit: Callable[[Tensors], Any]) -> None:
    tensors = load_file(directory / "model.safetensors")
    edit(tensors)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("dtype", ["keep", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", borts.NAMES)
def test_right_directories_pass(name: str, dtype: str, tmp_path: Path) -> None:
    plan = borts.plan_of(name, dtype)
    proof = prove(plan, borts.written(plan, tmp_path / "out"), atol=1e-5)
    assert proof.passed, proof
    assert proof.parity is not None
    moved = len(plan.index.tensors) - len(plan.match.tied)
    cast = (
        dtype != "keep"
        and plan.index.tensors[
            "bort.encoder.position_weight" if plan.match.prefix else "encoder.position_weight"
        ].dtype.name
        != dtype
    )
    assert (proof.bits.identical, proof.bits.cast) == ((0, moved) if cast else (moved, 0))
    assert bool(proof.parity.rounding) == cast
    outputs = [d.output for d in proof.parity.differences]
    assert outputs[:4] == ["embeddings", "layer 1", "layer 2", "projections"]
    logits = ["mlm_logits", "log-softmax of mlm_logits"]
    last = {"BertForMaskedLM": logits, "BertModel": []}
    assert outputs[4:] == last.get(plan.transformers_class, ["pooled", "logits"])


def test_rounding_is_measured_apart(tmp_path: Path) -> None:
    plan = borts.plan_of("bort_decoder", "bfloat16")
    parity = prove(plan, borts.written(plan, tmp_path / "out")).parity
    assert parity is not None
    assert max(d.max_abs_diff for d in parity.differences) < 1e-5
    assert 1e-3 < max(d.max_abs_diff for d in parity.rounding) < 0.1


def test_the_known_limit_is_measured(right: tuple[TablePlan, Path]) -> None:
    parity = prove(*right).parity
    assert parity is not None
    (limit,) = parity.known_differences
    assert (limit.setting, limit.source, limit.target) == ("decoder_layer_norm_eps", 1e-12, 1e-5)
    assert 1e-5 < limit.difference.max_abs_diff < 3e-4


def flip(tensors: Tensors) -> None:
    tensors[KEY_BIAS].view(np.uint32)[3] ^= 1  # the last bit of one number


@pytest.mark.parametrize(
    ("edit", "bits", "names"),
    [
        (flip, "key.bias", None),
        (lambda t: t.pop(KEY_BIAS), "key.bias was not written", f"missing: {KEY_BIAS}"),
        (lambda t: t.update(more=np.zeros(1)), None, "unexpected: more"),
        (lambda t: t.update({KEY_BIAS: np.zeros(3, "f4")}), "not as planned", "wrong shape"),
        (lambda t: t.update({KEY_BIAS: t[KEY_BIAS].astype("f8")}), "not as planned", None),
        (
            lambda t: t.update({"cls.predictions.decoder.weight": t[WORDS].copy()}),
            None,
            "stored more than once",
        ),
        (
            lambda t: t["bert.embeddings.token_type_embeddings.weight"].fill(1e-9),
            "should be all zeros",
            None,
        ),
    ],
    ids=["bit", "missing", "extra", "shape", "dtype", "twice", "zeros"],
)
def test_a_damaged_directory(
    right: tuple[TablePlan, Path],
    edit: Callable[[Tensors], Any],
    bits: str | None,
    names: str | None,
) -> None:
    plan, directory = right
    change(directory, edit)
    proof = prove(plan, directory)
    assert not proof.passed
    for verdict, expected in ((proof.bits, bits), (proof.names, names)):
        assert verdict.passed == (expected is None)
        assert expected is None or expected in " ".join(verdict.problems)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100])
def test_not_safetensors(right: tuple[TablePlan, Path], content: bytes) -> None:
    plan, directory = right
    (directory / "model.safetensors").write_bytes(content)
    proof = prove(plan, directory)
    assert not proof.bits.passed
    assert not proof.names.passed
    assert proof.parity is None


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("layer_norm_eps", 1e-12, "config.json: layer_norm_eps is 1e-12, planned 1e-05"),
        ("num_attention_heads", 8, "num_attention_heads is 8, planned 4"),
        ("hidden_size", 33, "hidden_size"),
        ("surprise", 1, "surprise is 1, planned absent"),
        ("num_hidden_layers", 10**9, "num_hidden_layers is 1000000000, planned 2"),
    ],
)
def test_another_config(
    right: tuple[TablePlan, Path], field: str, value: Any, problem: str
) -> None:
    plan, directory = right
    config = {**plan.config, field: value}
    (directory / "config.json").write_text(json.dumps(config))
    names = prove(plan, directory).names
    assert not names.passed
    assert problem in " ".join(names.problems)


def with_config(plan: TablePlan, **changed: Any) -> TablePlan:
    """The plan a wrong table would make: its [config] is wrong, GluonNLP's settings are not."""
    return dataclasses.replace(plan, config={**plan.config, **changed})


@pytest.mark.parametrize(
    "changed",
    [{"layer_norm_eps": 1e-12}, {"hidden_act": "relu"}, {"hidden_act": "gelu_new"}],
    ids=str,
)
def test_a_wrong_table_config_fails_parity(changed: dict[str, Any], tmp_path: Path) -> None:
    plan = with_config(borts.plan_of("bort_backbone"), **changed)
    proof = prove(plan, borts.written(plan, tmp_path / "out"))
    assert proof.bits.passed
    assert proof.names.passed
    assert proof.parity is not None
    assert not proof.parity.passed
    assert "layer 1 differs by" in " ".join(proof.parity.problems)


def test_wrong_heads_fail_parity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of heads, which no file tells; here the two sides are given two."""
    plan = borts.plan_of("bort_backbone")
    bort = REFERENCES["bort"]
    settings = {**bort.settings, "num_heads": Setting(8)}
    changed = {**REFERENCES, "bort": dataclasses.replace(bort, settings=settings)}
    monkeypatch.setattr(reference_settings, "REFERENCES", changed)
    proof = prove(plan, borts.written(plan, tmp_path / "out"))
    assert proof.parity is not None
    assert not proof.parity.passed


def test_a_users_config_is_believed_on_both_sides(tmp_path: Path) -> None:
    plan = borts.plan_of("bort_backbone", layer_norm_eps=1e-6)
    assert prove(plan, borts.written(plan, tmp_path / "out")).passed


def test_an_unknown_config_field_is_named(tmp_path: Path) -> None:
    plan = borts.plan_of("bort_backbone", numbr_of_wheels=4)
    names = prove(plan, borts.written(plan, tmp_path / "out")).names
    assert "--config numbr_of_wheels: BertConfig has no such field" in names.problems[0]


def test_nan_fails_parity_and_not_bits(tmp_path: Path) -> None:
    source = tmp_path / "nan.params"
    content = bytearray(borts.source("bort_backbone").read_bytes())
    plan = borts.plan_of("bort_backbone")
    entry = plan.index.tensors["encoder.layer_norm.beta"]
    content[entry.offset : entry.offset + 4] = np.float32(math.nan).tobytes()
    source.write_bytes(content)
    plan = dataclasses.replace(plan, index=dataclasses.replace(plan.index, path=source))
    proof = prove(plan, borts.written(plan, tmp_path / "out"))
    assert proof.bits.passed
    assert proof.parity is not None
    assert not proof.parity.passed


def test_atol_is_the_judge(right: tuple[TablePlan, Path]) -> None:
    assert prove(*right, atol=1e-5).passed
    assert not prove(*right, atol=1e-9).passed


def matched(plan: TablePlan, **changed: Any) -> TablePlan:
    """The plan of a match in which something is changed."""
    return dataclasses.replace(plan, match=dataclasses.replace(plan.match, **changed))


def published(plan: TablePlan, begin: tuple[float, ...], **changed: Any) -> TablePlan:
    """The plan with a golden that this small model could have published."""
    golden = plan.table.golden
    assert golden is not None
    golden = dataclasses.replace(
        golden, input_ids=(5, 9, 1), shape=(1, 3, 32), begin=begin, **changed
    )
    return matched(plan, table=dataclasses.replace(plan.table, golden=golden))


def recognised(plan: TablePlan, directory: Path) -> bool | None:
    parity = prove(plan, directory).parity
    assert parity is not None
    assert parity.passed
    return parity.is_published


def test_the_published_model_is_recognised(right: tuple[TablePlan, Path]) -> None:
    """By hidden states of the weights rounded to float16, as the published port was."""
    plan, directory = right
    from converter.params import load_params
    from converter.proof.reference import bert
    from converter.proof.reference.layers import Inputs, Weights

    params = {n: a.astype("f2") for n, a in load_params(plan.index.path).items()}
    states = bert.forward(
        Weights(params),
        Inputs(np.array([[5, 9, 1]]), np.array([3])),
        num_heads=4,
        activation="gelu",
        layer_norm_eps=1e-5,
        decoder_layer_norm_eps=1e-12,
    ).hidden_states[-1]
    begin = tuple(float(value) for value in states[0, 0, :3])
    assert recognised(published(plan, begin), directory) is True
    assert recognised(published(plan, (begin[0] + 1e-3, *begin[1:])), directory) is False
    assert recognised(published(plan, begin, weights="float32"), directory) is False
    assert recognised(plan, directory) is False  # the real one has another width


def test_no_golden_no_answer(right: tuple[TablePlan, Path]) -> None:
    plan, directory = right
    plan = matched(plan, table=dataclasses.replace(plan.table, golden=None))
    assert recognised(plan, directory) is None


@pytest.mark.parametrize("name", borts.NAMES)
def test_against_the_recorded_golden(name: str, tmp_path: Path) -> None:
    plan = borts.plan_of(name)
    directory = borts.written(plan, tmp_path / "out")
    proof: TableProof = prove(plan, directory, atol=1e-5, golden=borts.golden(name))
    assert proof.passed, proof.golden
    assert proof.golden is not None
    assert proof.golden.recorded["gluonnlp"] == borts.MANIFEST[name]["gluonnlp"]
    stated = [d.output for d in proof.golden.stated]
    assert stated == (["mlm_logits"] if plan.heads == ("mlm",) else [])


def test_another_models_golden_fails(right: tuple[TablePlan, Path]) -> None:
    proof = prove(*right, golden=borts.golden("bort_float16"))
    assert proof.golden is not None
    assert not proof.passed
    assert "layer 1 differs from the recorded one" in proof.golden.problems[0]


def test_an_output_of_one_side_alone_is_no_proof(right: tuple[TablePlan, Path]) -> None:
    """A table that forgets which output is which must not pass by comparing less."""
    plan, directory = right
    forgetful = dataclasses.replace(plan.target, outputs={})
    parity = prove(matched(plan, target=forgetful), directory).parity
    assert parity is not None
    assert parity.problems == ("mlm_logits: the source alone gives it",)


def test_tensors_the_arithmetic_cannot_run_on(right: tuple[TablePlan, Path]) -> None:
    plan, directory = right
    with pytest.raises(ConvertError, match=r"reference 'bort' cannot run on its tensors \(KeyErr"):
        prove(matched(plan, prefix="other."), directory)


@pytest.mark.parametrize(
    ("largest", "gap", "allowed"),
    [(9.0, 0.9e-4, True), (9.0, 1.2e-4, False), (1000.0, 5e-3, True), (1000.0, 2e-2, False)],
)
def test_a_difference_is_judged_by_the_size_of_the_values(
    largest: float, gap: float, allowed: bool
) -> None:
    """A large value at another position excuses nothing."""
    reference = np.zeros((1, 3, 2), np.float32)
    reference[0, 0], reference[0, 1] = 5000, (largest, 0)
    other = reference.copy()
    other[0, 1, 1] += gap
    found = difference("layer 1", reference, other, np.ones((1, 3), bool))
    assert (found.scaled <= 1e-4) is allowed
    assert found.max_abs_diff == pytest.approx(gap, rel=0.02)
    assert found.max_abs_value == 5000
