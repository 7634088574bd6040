"""What GluonNLP 0.6 and 0.7 exported for deployment: their own classes, read without a question."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForQuestionAnswering

import converter
from converter.errors import PlanError
from converter.params import load_params
from converter.planning.scopes import namesake
from tests.brought import CASES
from tests.conftest import ROOT
from tests.faults.making import write_params
from tests.scopes import FOLDER

CLASSES = {
    "qa": "BertForQuestionAnswering",
    "classifier": "BertForSequenceClassification",
    "regression": "BertForSequenceClassification",
}
EXPORTED = [("0.6.0", "qa"), *(("0.7.1", name) for name in CLASSES)]
TOLD = {"family": "bert", "config": {"num_attention_heads": 4}}


@pytest.mark.parametrize("suffix", ["-0000.params", ".params"])
@pytest.mark.parametrize(("version", "name"), EXPORTED)
def test_it_is_what_mxnet_computed(version: str, name: str, suffix: str, tmp_path: Path) -> None:
    """The prefix hybridbertforqa0_ was said to be no class of GluonNLP's."""
    path = FOLDER / f"gluonnlp-{version}" / f"{name}{suffix}"
    report = converter.convert(path, tmp_path / "out", **TOLD)  # type: ignore[arg-type]
    assert report.plan.transformers_class == CLASSES[name]
    golden = path.with_name(f"{name}.golden.npz")
    proof = converter.verify(path, tmp_path / "out", golden=golden, atol=1e-5).proof
    assert proof is not None
    assert proof.golden is not None
    last = {"qa": "end_logits"}.get(name, "logits")
    assert last in {d.output for d in proof.golden.differences}


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("myqa0_", "'myqa0_' is no class of GluonNLP's"),
        ("net3_", "'net3_' may be GluonNLP's Net, whose head no table knows"),
        ("hybridbertmodel0_", "may be GluonNLP's HybridBERTModel"),
    ],
)
def test_another_prefix_is_asked_about_and_nothing_false_is_said(
    prefix: str, said: str, tmp_path: Path
) -> None:
    arrays = load_params(FOLDER / "gluonnlp-0.7.1" / "qa.params")
    renamed = {n.replace("hybridbertmodel0_", "my_"): a for n, a in arrays.items()}
    renamed = {n.replace("hybridbertforqa0_", prefix): a for n, a in renamed.items()}
    path = write_params(tmp_path / "a.params", renamed)
    with pytest.raises(PlanError) as caught:
        converter.convert(path, tmp_path / "out", **TOLD)  # type: ignore[arg-type]
    assert said in caught.value.problems[0]
    assert "--head question-answering" in caught.value.problems[0]


def test_every_class_with_a_head_is_in_the_list_of_the_sources() -> None:
    """alexa/bort's is no class of GluonNLP's."""
    rules = tomllib.loads((ROOT / "converter/planning/scopes/rules.toml").read_text("utf-8"))
    named = {name for names in rules["classes"].values() for name in names}
    assert {name for name in named if not namesake(f"{name}0_")} == {"bortclassifier"}
    assert namesake("xlnet0_") == "XLNet"
    assert namesake("own0_") is None


def recorded(path: Path) -> dict[str, np.ndarray]:
    """What is beside one of our files, or one of the cases', whose logits are (…, 2) together."""
    own = path.with_name("qa.golden.npz")
    with np.load(own if own.exists() else CASES / "v071_question_answering.npz") as file:
        arrays = {name: file[name] for name in file.files}
    if "out" in arrays:
        arrays |= {"start_logits": arrays["out"][..., 0], "end_logits": arrays["out"][..., 1]}
    return arrays


OWN = FOLDER / "gluonnlp-0.7.1" / "qa-0000.params"
CASE = CASES / "v071_question_answering-0000.params"


@pytest.mark.parametrize("path", [OWN, *([CASE] if CASE.exists() else [])], ids=lambda p: p.name)
def test_transformers_gives_the_recorded_logits(path: Path, tmp_path: Path) -> None:
    converter.convert(path, tmp_path / "out", **TOLD)  # type: ignore[arg-type]
    arrays = recorded(path)
    there = np.arange(arrays["input_ids"].shape[1]) < arrays["valid_length"][:, None]
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        given = model(
            input_ids=torch.tensor(arrays["input_ids"].astype(np.int64)),
            token_type_ids=torch.tensor(arrays["token_types"].astype(np.int64)),
            attention_mask=torch.tensor(there.astype(np.int64)),
        )
    for name in ("start_logits", "end_logits"):
        assert np.abs(given[name].numpy() - arrays[name])[there].max() <= 1e-5
