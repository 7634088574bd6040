"""A model in a network of one's own: converted, the rest written beside it, nothing guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import converter
from converter.errors import PlanError
from converter.params import load_params
from tests import scopes, zoo
from tests.faults.making import Arrays, write_params

# What is around it: a Dense, a second one in a Sequential, the matrix of a CRF
AROUND = {"out.weight": (9, 5), "out.bias": (9,), "fc.0.weight": (5, 5), "transitions": (9, 9)}
CASES = [
    *(("0.8.3/bert_pooler", "bert"), ("0.10.0/bert_pooler", "bert"), ("0.10.0/ernie", "ernie")),
    *(("0.10.0/roberta", "roberta"), ("0.10.0/distilbert", "distilbert")),
]


def in_a_network(name: str, prefix: str) -> Arrays:
    random = np.random.default_rng(2)
    arrays = {n: random.standard_normal(s, dtype=np.float32) for n, s in AROUND.items()}
    return {f"{prefix}{n}": a for n, a in load_params(zoo.source(name)).items()} | arrays


def told(name: str, **more: Any) -> dict[str, Any]:
    stated = zoo.MANIFEST[name]
    return {"config": zoo.config_of(name), "gluonnlp_version": stated["gluonnlp"], **more}


@pytest.mark.parametrize("prefix", ["backbone.", "net.bert_encoder."])
@pytest.mark.parametrize(("name", "family"), CASES)
def test_the_model_is_what_mxnet_computed_and_the_rest_is_beside_it(
    name: str, family: str, prefix: str, tmp_path: Path
) -> None:
    arrays = in_a_network(name, prefix)
    path = write_params(tmp_path / "a.params", arrays)
    out, choice = tmp_path / "out", told(name, family=family)
    with pytest.raises(PlanError):
        converter.convert(path, out, **choice)
    report = converter.convert(path, out, **choice, backbone=True)
    assert report.passed
    beside = load_file(out / "not_converted.safetensors")
    assert beside.keys() == AROUND.keys()
    assert all((beside[n] == arrays[n]).all() for n in AROUND)
    golden = zoo.source(name).with_suffix(".golden.npz")
    assert converter.verify(path, out, golden=golden, atol=1e-5).passed


def test_the_refusal_names_the_command_that_works(tmp_path: Path) -> None:
    path = write_params(tmp_path / "a.params", in_a_network("0.8.3/bert_pooler", "backbone."))
    with pytest.raises(PlanError, match="is a network of one's own") as caught:
        converter.convert(path, tmp_path / "out")
    lines = caught.value.problems
    assert {line.split()[1] for line in lines} == {"bert", "ernie"}, "no family that lacks some"
    assert lines[0] == (
        "--family bert --backbone --config num_attention_heads=N: 39 tensors behind `backbone.` "
        "fit bert; 4 others: out.weight (9×5), out.bias, fc.0.weight (5×5), transitions (9×9)"
    )


@pytest.mark.parametrize("family", ["bort", "roberta", "distilbert"])
def test_no_tensor_of_the_model_is_set_aside(family: str, tmp_path: Path) -> None:
    """A BERT read as a Bort has token types too many: without them it is another model."""
    path = write_params(tmp_path / "a.params", in_a_network("0.8.3/bert_pooler", "backbone."))
    choice = told("0.8.3/bert_pooler", family=family)
    with pytest.raises(PlanError, match=r"unexpected tensor backbone\.token_type_embed"):
        converter.convert(path, tmp_path / "out", **choice, backbone=True)
    names = scopes.names_of("0.8.3", "bert_pooler")
    by_scope = {names[n]: a for n, a in load_params(zoo.source("0.8.3/bert_pooler")).items()}
    by_scope["mynet0_dense0_weight"] = np.ones((9, 5), np.float32)
    path = write_params(tmp_path / "b.params", by_scope)
    with pytest.raises(PlanError, match="unexpected tensor bertmodel"):
        converter.convert(path, tmp_path / "out", **choice, backbone=True)


@pytest.mark.parametrize("kind", ["arg:", ""])
@pytest.mark.parametrize("scopes_of", ["structural", "prefix of its own", "no prefix"])
def test_whatever_begins_its_names(kind: str, scopes_of: str, tmp_path: Path) -> None:
    """The word types of a BERT are its own, also in an exported file and without a prefix."""
    name = "0.8.3/bert_pooler"
    arrays = in_a_network(name, "backbone.")
    if scopes_of != "structural":
        own = scopes.names_of("0.8.3", "bert_pooler")
        begin = "my_" if scopes_of == "prefix of its own" else ""
        arrays = {
            own[n].replace("bertmodel0_", begin): a
            for n, a in load_params(zoo.source(name)).items()
        }
        arrays["mynet0_dense0_weight"] = np.ones((9, 5), np.float32)
    path = write_params(tmp_path / "a.params", {f"{kind}{n}": a for n, a in arrays.items()})
    choice = told(name, family="bort", backbone=True)
    with pytest.raises(PlanError):
        converter.convert(path, tmp_path / "out", **choice)
    assert not (tmp_path / "out").exists()


def test_by_name_scopes(tmp_path: Path) -> None:
    name = "0.8.3/bert_pooler"
    names = scopes.names_of("0.8.3", "bert_pooler")
    arrays = {names[n]: a for n, a in load_params(zoo.source(name)).items()}
    arrays["mynet0_dense0_weight"] = np.ones((9, 5), np.float32)
    arrays["mynet0_dense0_bias"] = np.ones(9, np.float32)
    path = write_params(tmp_path / "a.params", arrays)
    choice = told(name, family="bert")
    with pytest.raises(PlanError) as caught:
        converter.convert(path, tmp_path / "out", **choice)
    assert "--head" in caught.value.problems[0]
    assert caught.value.problems[1].startswith("--backbone: 39 tensors behind `bertencoder0_` and")
    report = converter.convert(path, tmp_path / "out", **choice, backbone=True)
    assert report.plan.transformers_class == "BertModel"
    assert [e.name for e in report.plan.match.exported] == [
        "mynet0_dense0_weight",
        "mynet0_dense0_bias",
    ]


def test_of_two_encoders_the_prefix_tells(tmp_path: Path) -> None:
    name = "0.8.3/bert_pooler"
    arrays = in_a_network(name, "query.")
    random = np.random.default_rng(3)
    for key, array in load_params(zoo.source(name)).items():
        arrays[f"passage.{key}"] = random.standard_normal(array.shape, dtype=np.float32)
    path = write_params(tmp_path / "a.params", arrays)
    choice = told(name, family="bert", backbone=True)
    with pytest.raises(PlanError) as caught:
        converter.convert(path, tmp_path / "out", **choice)
    begins = [
        line.partition(" fit bert; 4 others: out.weight")[0] for line in caught.value.problems
    ]
    assert begins == [
        "--prefix query.: 39 tensors behind `query.`",
        "--prefix passage.: 39 tensors behind `passage.`",
    ]
    for prefix in ("query.", "passage."):
        out = tmp_path / prefix
        report = converter.convert(path, out, **choice, prefix=prefix)
        assert report.passed
        others = {n for n in arrays if not n.startswith(prefix)}
        assert load_file(out / "not_converted.safetensors").keys() == others
    golden = zoo.source(name).with_suffix(".golden.npz")
    assert converter.verify(path, tmp_path / "query.", golden=golden, atol=1e-5).passed
    with pytest.raises(PlanError):
        converter.convert(path, tmp_path / "out", **choice, prefix="answer.")


def test_a_model_that_lacks_a_tensor_is_no_backbone(tmp_path: Path) -> None:
    arrays = in_a_network("0.8.3/bert_pooler", "backbone.")
    del arrays["backbone.encoder.layer_norm.beta"]
    path = write_params(tmp_path / "a.params", arrays)
    choice = told("0.8.3/bert_pooler", family="bert", backbone=True)
    with pytest.raises(PlanError, match=r"missing: backbone\.encoder\.layer_norm\.beta"):
        converter.convert(path, tmp_path / "out", **choice)


@pytest.mark.parametrize("head", ["span_classifier", "classifier.1", "slot_tagger.1"])
@pytest.mark.parametrize("name", ["0.8.3/bert_pooler", "0.10.0/roberta"])
def test_what_is_around_may_be_called_as_gluonnlp_calls_its_heads(
    name: str, head: str, tmp_path: Path
) -> None:
    """The arithmetic of the reference ran on it, and failed on its sizes."""
    arrays = in_a_network(name, "net.")
    arrays |= {
        f"{head}.weight": np.ones((4, 7), np.float32),
        f"{head}.bias": np.ones(4, np.float32),
    }
    path = write_params(tmp_path / "a.params", arrays)
    report = converter.convert(
        path, tmp_path / "out", **told(name, family=name.split("/")[1].split("_")[0], backbone=True)
    )
    assert f"{head}.weight" in {entry.name for entry in report.plan.match.exported}
    golden = zoo.source(name).with_suffix(".golden.npz")
    assert converter.verify(path, tmp_path / "out", golden=golden, atol=1e-5).passed


@pytest.mark.parametrize("prefix", ["", "net."])
def test_a_decoder_saved_once_is_within_a_network_too(prefix: str, tmp_path: Path) -> None:
    """`save_parameters(deduplicate=True)` keeps the words under the decoder's name alone."""
    name = "0.10.0/bert_deduplicated"
    arrays = in_a_network(name, f"{prefix}bert.")
    assert f"{prefix}bert.word_embed.0.weight" not in arrays
    path = write_params(tmp_path / "a.params", arrays)
    report = converter.convert(path, tmp_path / "out", **told(name, family="bert", backbone=True))
    assert report.plan.transformers_class == "BertForPreTraining"
    assert load_file(tmp_path / "out" / "not_converted.safetensors").keys() == AROUND.keys()
    golden = zoo.source(name).with_suffix(".golden.npz")
    assert converter.verify(path, tmp_path / "out", golden=golden, atol=1e-5).passed
