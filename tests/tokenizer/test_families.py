"""Every family of GluonNLP 0.x with a [tokenizer], on text: its small model with as many rows as a
vocabulary. Those of 1.x are in test_directories_1x.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.tables.load import family_names, load_family
from tests.report.cards import run_example
from tests.tokenizer import cases
from tests.tokenizer.enlarged import enlarged

ZOO = Path(__file__).parents[2] / "fixtures" / "zoo"
# family: its fixture, heads, a vocabulary, and how the pair "a", "b" begins and ends
MODELS: dict[str, tuple[str, int, str]] = {
    "bert": ("0.8.3/bert_full", 4, "bert_uncased"),
    "bert-sentencepiece": ("0.8.3/bert_full", 4, "kobert_cased"),
    "distilbert": ("0.10.0/distilbert", 4, "bert_cased"),
    "ernie": ("0.8.3/ernie", 4, "bert_cased"),
    "gpt2": ("scripts/gpt2", 4, "bort"),
    "gpt2-sentencepiece": ("scripts/gpt2_erf", 4, "kogpt2_cased"),
    "roberta": ("0.8.3/roberta_decoder", 3, "bort"),
}


def options(vocabulary: str, family: str, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = cases.files(vocabulary).given()
    if "vocab" in found and family == "gpt2":  # the special token is OpenAI's
        content = json.loads(found["vocab"].read_text("utf-8"))
        end = "<|endoftext|>"
        tokens = [end if token == "<mask>" else token for token in content["idx_to_token"]]
        found["vocab"] = folder / "gpt2.vocab"
        found["vocab"].write_text(cases.vocab_json(tokens, None, {"eos_token": end}), "utf-8")
    return found


def test_every_family_is_here() -> None:
    with_tokenizer = {name for name in family_names() if load_family(name).tokenizer}
    older = {name for name in with_tokenizer if "_1x" not in name}
    assert {model.split("-")[0] for model in MODELS} | {"bort", "xlnet"} == older


@pytest.mark.parametrize("model", MODELS)
def test_converted_with_its_tokenizer(model: str, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    family = model.split("-")[0]
    fixture, heads, vocabulary = MODELS[model]
    rows = cases.ROWS[vocabulary]
    source = enlarged(ZOO / f"{fixture}.params", rows, tmp_path / "model.params")
    config: dict[str, Any] = {"num_attention_heads": heads}
    if family == "gpt2":
        gelu = "gelu" if fixture.endswith("_erf") else "gelu_new"
        config = {"n_head": heads, "activation_function": gelu}
    files = options(vocabulary, family, tmp_path)
    report = converter.convert(source, tmp_path / "out", family=family, config=config, **files)
    assert report.passed
    assert report.plan.tokenizer is not None
    config = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert config.items() >= report.plan.tokenizer.ids.items()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
    loaded = AutoModel.from_pretrained(tmp_path / "out", local_files_only=True)
    inputs = tokenizer("free", "and", return_tensors="pt")
    assert tokenizer.model_max_length == 20
    assert run_example(tmp_path / "out"), "the card's lines print what the model makes of text"
    hidden = loaded(**inputs).last_hidden_state
    assert hidden.shape[:2] == inputs.input_ids.shape
    assert converter.verify(source, tmp_path / "out").passed
