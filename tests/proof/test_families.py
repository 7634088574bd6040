"""Every table on what GluonNLP wrote: converted, proven, and equal to what it recorded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from converter.errors import PlanError
from converter.params import load_params, read_index
from converter.planning.base import UNCONVERTED_FILE
from converter.planning.plan import TablePlan, make_plan
from converter.proof.proof import TableProof, prove
from converter.proof.reference.settings import source_settings
from converter.tables.load import load_family
from converter.writing.model import write_model
from tests import zoo
from tests.indexes import make_index
from tools.figures import FIGURES, FIXTURES, manifests

ATOL = 1e-5


def proven(plan: TablePlan, name: str, folder: Path) -> TableProof:
    out = folder / "out"
    out.mkdir()
    write_model(plan, out)
    return prove(plan, out, atol=ATOL, golden=zoo.ROOT / f"{name}.golden.npz")


@pytest.mark.parametrize("name", zoo.NAMES)
def test_what_gluonnlp_wrote_is_proven_equal(name: str, tmp_path: Path) -> None:
    plan = zoo.plan_of(name)
    proof = proven(plan, name, tmp_path)
    assert proof.passed, proof
    assert plan.transformers_class == zoo.MANIFEST[name]["transformers_class"]
    assert proof.golden is not None
    recorded = {*zoo.recorded(name).named} - {"pooled"}
    compared = {d.output for d in proof.golden.differences}
    beside = {entry.name.split(".")[0] for entry in plan.match.exported}
    left_out = {
        "decoder": {"mlm_logits"},
        "intent_classifier": {"intent_logits"},
        "slot_tagger": {"slot_logits"},
    }
    assert recorded - compared == set().union(*(left_out.get(b, set()) for b in beside))


def test_every_target_of_every_table_is_proven() -> None:
    plans = [zoo.plan_of(name) for name in zoo.NAMES]
    met = {(p.table.name, p.transformers_class, *sorted(p.heads)) for p in plans}
    expected = {
        (family, target.transformers_class, *sorted(target.heads | target.export))
        for family in {*zoo.FAMILIES} - {"bort"}
        for target in load_family(family).targets
    }
    elsewhere = {  # tests/api/test_head.py: fixtures with a pooler put in
        (family, f"{begin}{kind}", "pooler", head)
        for family, begin in (("bert", "Bert"), ("ernie", "Ernie"))
        for kind, head in (("ForTokenClassification", "tagger"), ("ForQuestionAnswering", "qa"))
    }
    assert expected == met | elsewhere


def test_the_figures_in_readme_are_of_every_fixture() -> None:
    figures = json.loads(FIGURES.read_text("utf-8"))
    stated = {str(path.relative_to(FIXTURES).as_posix()): s for path, s in manifests()}
    assert figures.keys() == stated.keys()
    for name, figure in figures.items():
        assert figure["transformers_class"] == stated[name]["transformers_class"]
        assert figure["difference"] <= ATOL


VERSION_09 = [name for name in zoo.NAMES if name.startswith("0.9.")]


@pytest.mark.parametrize("name", VERSION_09)
def test_a_0_9_file_is_wrong_without_the_option_and_warns(name: str, tmp_path: Path) -> None:
    plan = zoo.plan_of(name, version=None)
    (warning,) = plan.warnings()
    assert "--gluonnlp-version 0.9" in warning
    proof = proven(plan, name, tmp_path)
    assert proof.parity is not None
    assert proof.parity.passed, "the file cannot tell"
    assert proof.golden is not None
    assert not proof.golden.passed
    assert max(d.max_abs_diff for d in proof.golden.differences) > 0.05


def test_nothing_is_unscrambled_for_another_version(tmp_path: Path) -> None:
    name = "0.8.3/bert_full"
    proof = proven(zoo.plan_of(name, version="0.9"), name, tmp_path)
    assert proof.golden is not None
    assert not proof.golden.passed


@pytest.mark.parametrize("version", ["0.9.0", "0.9.1"])
def test_the_first_0_9_had_another_epsilon(version: str, tmp_path: Path) -> None:
    """Another for the embeddings' LayerNorm: the proof says so, since Transformers has one."""
    plan = zoo.plan_of("0.9.2/roberta_decoder", version=version)
    found = prove_only(plan, tmp_path).parity
    assert found is not None
    assert found.passed
    known = {k.setting: k.difference for k in found.known_differences}
    assert known.keys() == {"decoder_layer_norm_eps", "embedding_layer_norm_eps"}
    assert 1e-5 < known["embedding_layer_norm_eps"].max_abs_diff < 1e-3


def prove_only(plan: TablePlan, folder: Path) -> TableProof:
    (folder / "out").mkdir()
    write_model(plan, folder / "out")
    return prove(plan, folder / "out", atol=ATOL)


def test_heads_without_a_place_are_exported(tmp_path: Path) -> None:
    name = "0.10.0/bert_icsl"
    proven(zoo.plan_of(name), name, tmp_path)
    beside = load_file(tmp_path / "out" / UNCONVERTED_FILE)
    params = load_params(zoo.source(name))
    assert {*beside} == {n for n in params if n.startswith(("intent_", "slot_"))}
    for head, array in beside.items():
        assert array.tobytes() == params[head].tobytes()


@pytest.mark.parametrize(
    "changed",
    [{"hidden_act": "relu"}, {"layer_norm_eps": 1e-5}, {"hidden_act": "gelu_new"}],
    ids=str,
)
def test_a_wrong_table_fails_parity(changed: dict[str, Any], tmp_path: Path) -> None:
    """[config] is Transformers' side; GluonNLP's settings stand apart and are not wrong with it."""
    plan = zoo.plan_of("0.10.0/bert_full")
    plan = dataclasses.replace(plan, config={**plan.config, **changed})
    proof = prove_only(plan, tmp_path)
    assert proof.names.passed
    assert proof.parity is not None
    assert not proof.parity.passed


ALIKE = {
    "0.10.0/bert_full": {"bert", "ernie"},
    "0.10.0/roberta_decoder": {"bort", "roberta"},
    "0.10.0/roberta": {"bort", "distilbert", "roberta"},
}


@pytest.mark.parametrize("name", ALIKE)
def test_families_that_share_names_are_listed(name: str) -> None:
    tables = [load_family(family) for family in zoo.FAMILIES]
    with pytest.raises(PlanError) as caught:
        make_plan(read_index(zoo.source(name)), tables, {"num_attention_heads": 4})
    assert "choose with --family" in str(caught.value)
    assert {problem.split(":")[0] for problem in caught.value.problems} == ALIKE[name]


@pytest.mark.parametrize(
    ("layers", "width", "activation"), [(12, 768, "gelu"), (24, 1024, "gelu_new"), (2, 24, None)]
)
def test_the_activation_of_the_zoos_xlnets(layers: int, width: int, activation: str | None) -> None:
    """v0.10.0 scripts/language_model/transformer/model.py: `gelu` for the small one alone."""
    sizes = {61: 32000, 24: width, 40: 4 * width, 12: width // 2, 4: width // 64, 6: 64}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, array in load_params(zoo.source("scripts/xlnet")).items():
        shape = (
            array.shape
            if activation is None
            else tuple(sizes.get(int(n), int(n)) for n in array.shape)
        )
        numbers = range(layers) if "cells.0." in name else [0]
        shapes |= {name.replace("cells.0.", f"cells.{number}."): shape for number in numbers}
    if activation is None:  # no size tells it: a wrong guess would be off by 0.5
        with pytest.raises(PlanError, match="ff_activation"):
            make_plan(make_index(shapes), [load_family("xlnet")], {})
        return
    plan = make_plan(make_index(shapes), [load_family("xlnet")], {})
    assert plan.known
    told = {"gelu": "gelu", "gelu_tanh": "gelu_new"}[source_settings(plan)["activation"]]
    assert plan.config["ff_activation"] == told == activation
    assert ("ff_activation", activation) in {(a.field, a.value) for a in plan.assumed}
