"""A head that only its author can name: asked for, and what is answered is what MXNet computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import converter
from converter.errors import PlanError
from converter.params import load_params
from converter.report.terminal import summary
from tests import scopes, zoo
from tests.faults.making import Arrays, write_params

CASES = [
    *(("0.8.3", "bert_tagger"), ("0.10.0", "bert_tagger"), ("0.8.3", "ernie_tagger")),
    *(("0.8.3", "bert_qa"), ("0.10.0", "bert_qa"), ("0.8.3", "ernie_qa")),
]
OF = {"tagger": ("bert_model.", "berttagger0_"), "qa": ("bert.", "bertforqa0_")}  # prefix, class
USES = {"tagger": "token-classification", "qa": "question-answering"}
CLASSES = {"tagger": "ForTokenClassification", "qa": "ForQuestionAnswering"}
LOGITS = {"tagger": "token_logits", "qa": "end_logits"}


def arrays_with_a_pooler(version: str, name: str) -> Arrays:
    """One of the zoo's fixtures whose BERT kept its pooler, as it does by default."""
    prefix, _ = OF[name.split("_")[1]]
    arrays = {n: a.copy() for n, a in load_params(zoo.source(f"{version}/{name}")).items()}
    units = arrays[f"{prefix}encoder.layer_norm.gamma"].shape[0]
    random = np.random.default_rng(1)
    arrays[f"{prefix}pooler.weight"] = random.standard_normal((units, units), dtype=np.float32)
    arrays[f"{prefix}pooler.bias"] = random.standard_normal((units,), dtype=np.float32)
    return arrays


def renamed(arrays: Arrays, version: str, head: str, kind: str = "tagger") -> Arrays:
    """The same by name scopes, as `collect_params().save` has them: the head's prefix is `head`."""
    prefix, own = OF[kind]
    names = scopes.names_of(version, f"bert_{kind}") | {
        f"{prefix}pooler.{part}": f"bertmodel0_pooler_{part}" for part in ("weight", "bias")
    }
    return {names[n].replace(own, head): a for n, a in arrays.items()}


def choice(version: str, name: str) -> dict[str, object]:
    stated = zoo.MANIFEST[f"{version}/{name}"]
    return {
        "family": stated["family"],
        "config": {"num_attention_heads": stated["num_attention_heads"]},
        "gluonnlp_version": version,
    }


@pytest.mark.parametrize("structural", [True, False])
@pytest.mark.parametrize(("version", "name"), CASES)
def test_a_head_over_a_pooler_is_what_mxnet_computed(
    structural: bool, version: str, name: str, tmp_path: Path
) -> None:
    """A tagger became a sequence classifier: (texts, labels) instead of (texts, words, labels)."""
    kind = name.split("_")[1]
    arrays, told = arrays_with_a_pooler(version, name), choice(version, name)
    if not structural:
        arrays = renamed(arrays, version, "mymodel0_", kind)
    path = write_params(tmp_path / "a.params", arrays)
    if not structural:
        with pytest.raises(PlanError) as caught:
            converter.convert(path, tmp_path / "out", **told)  # type: ignore[arg-type]
        problem, *others = caught.value.problems
        assert all("--backbone" in other for other in others)
        assert "'mymodel0_' is no class of GluonNLP's" in problem
        assert f"--head {USES[kind]}" in problem
        assert not (tmp_path / "out").exists()
        told["head"] = USES[kind]
    report = converter.convert(path, tmp_path / "out", **told)  # type: ignore[arg-type]
    assert report.plan.transformers_class.endswith(CLASSES[kind])
    assert {"pooler" in entry.name for entry in report.plan.match.exported} == {True}
    golden = zoo.source(f"{version}/{name}").with_suffix(".golden.npz")
    proof = converter.verify(path, tmp_path / "out", golden=golden, atol=1e-5).proof
    assert proof is not None
    assert proof.golden is not None
    assert LOGITS[kind] in {d.output for d in proof.golden.differences}


def test_what_was_told_is_in_the_record_and_the_summary(tmp_path: Path) -> None:
    arrays = renamed(arrays_with_a_pooler("0.8.3", "bert_tagger"), "0.8.3", "my_")
    path = write_params(tmp_path / "a.params", arrays)
    told = choice("0.8.3", "bert_tagger") | {"head": "token-classification"}
    report = converter.convert(path, tmp_path / "out", **told)  # type: ignore[arg-type]
    assert any("head token-classification" in line for line in summary(report))
    record = json.loads((tmp_path / "out" / "conversion.json").read_text())
    assert record["options"]["head"] == "token-classification"
    assert converter.verify(path, tmp_path / "out").passed


def test_the_prefix_of_a_class_needs_no_answer(tmp_path: Path) -> None:
    arrays = renamed(arrays_with_a_pooler("0.8.3", "bert_tagger"), "0.8.3", "berttagger3_")
    path = write_params(tmp_path / "a.params", arrays)
    told = choice("0.8.3", "bert_tagger")
    report = converter.convert(path, tmp_path / "out", **told)  # type: ignore[arg-type]
    assert report.plan.transformers_class == "BertForTokenClassification"


@pytest.mark.parametrize("name", ["0.8.3/bert_classifier", "0.8.3/bert_pooler"])
def test_a_head_against_the_names_is_refused(name: str, tmp_path: Path) -> None:
    """It was said to be on the user's word, and was not what was done."""
    told = choice(*name.split("/")) | {"head": "token-classification"}
    with pytest.raises(PlanError, match="--head token-classification: the names of the file say"):
        converter.convert(zoo.source(name), tmp_path / "out", **told)  # type: ignore[arg-type]


def test_a_head_that_no_table_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no head 'tagging'") as caught:
        converter.convert(zoo.source("0.8.3/bert_tagger"), tmp_path / "out", head="tagging")
    assert "token-classification" in caught.value.problems[0]
