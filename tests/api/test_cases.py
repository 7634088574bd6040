"""Networks of one's own as people bring them (`BORT_CASES`): what the table of the cases wants.

The files are beside the project, or where `BORT_CASES` says, and are one more check: what each is
of a kind of is tested with our own fixtures in test_own.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import converter
from converter.errors import PlanError
from converter.params import load_params
from tests import own, recordings
from tests.brought import CASES

ATOL = 1e-5
TOLD: dict[str, Any] = {"family": "bert", "config": {"num_attention_heads": 4}}
# The file, how the names of its model begin, and its recording
OWN = {
    "mlp_head": (("backbone.",), "mlp_head"),
    "own": (("encoder_model.",), "own"),
    "own_collect": (("bertencoder1_", "bertmodel1_"), "own"),
    "icsl_plain": (("bert.",), "icsl_plain"),
    "bare_dense": (("bert.",), "bare_dense"),
    "bert_bilstm_crf": (("bert.",), "bert_bilstm_crf"),
    "ner_pooler": (("bert.",), "ner_pooler"),
    "ner_pooler_collect": (("bertencoder3_", "bertmodel3_"), "ner_pooler"),
}
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="the cases are not beside the project")


def recorded(name: str) -> dict[str, np.ndarray]:
    """What MXNet computed; the network of `icsl_plain` gave its BERT zeros for token types."""
    arrays = own.arrays_of(CASES / f"{OWN[name][1]}.npz")
    if name == "icsl_plain":
        arrays["token_types"] = np.zeros_like(arrays["token_types"])
    return arrays


def valid(arrays: dict[str, np.ndarray]) -> np.ndarray:
    found: np.ndarray = np.arange(arrays["input_ids"].shape[1]) < arrays["valid_length"][:, None]
    return found


def far(found: Any, recorded: np.ndarray, arrays: dict[str, np.ndarray], shift: int = 0) -> float:
    """How far outputs are, on valid positions where there is one for each token."""
    assert found.shape == recorded.shape
    kept = valid(arrays)[:, shift:] if recorded.ndim == 3 else ...
    return float(np.abs(np.asarray(found) - recorded)[kept].max())


@pytest.mark.parametrize("name", OWN)
def test_one_option_converts_the_model_and_leaves_the_rest_beside_it(
    name: str, tmp_path: Path
) -> None:
    path, (begin, _) = CASES / f"{name}.params", OWN[name]
    with pytest.raises(PlanError) as caught:
        converter.convert(path, tmp_path / "out")
    lines = str(caught.value).split("\n")
    assert len(lines) <= 15
    option = "--family bert --backbone --config num_attention_heads=N: 3"
    assert any(option in line for line in lines)
    out = tmp_path / "out"
    assert converter.convert(path, out, **TOLD, backbone=True).passed
    rest = {n: a for n, a in load_params(path).items() if not n.startswith(begin)}
    beside = load_file(out / "not_converted.safetensors")
    assert beside.keys() == rest.keys()
    assert all(beside[n].tobytes() == array.tobytes() for n, array in rest.items())
    arrays = recorded(name)
    outputs = recordings.outputs_of(out, arrays)
    for ours, theirs in (("last_hidden_state", "hidden"), ("pooler_output", "pooled")):
        if theirs in arrays:
            assert far(outputs[ours], arrays[theirs], arrays) <= ATOL, theirs


@pytest.mark.parametrize("name", ["own", "own_collect", "bare_dense", "ner_pooler", "icsl_plain"])
def test_the_card_gives_the_logits(name: str, tmp_path: Path) -> None:
    """`icsl_plain` gives a tag for each word but the first."""
    out = tmp_path / "out"
    converter.convert(CASES / f"{name}.params", out, **TOLD, backbone=True)
    arrays = recorded(name)
    outputs = own.run_card(out, own.inputs_of(arrays))
    for head in ("logits", "intent", "slots"):
        if head in arrays:
            shift = int(head == "slots")
            found = [o[:, shift:] if shift and o.ndim == 3 else o for o in outputs.values()]
            found = [o for o in found if o.shape == arrays[head].shape]
            assert found, head
            assert min(far(o, arrays[head], arrays, shift) for o in found) <= ATOL, head


def test_two_dense_of_the_card_with_their_activation(tmp_path: Path) -> None:
    """Which one is in no file: here it is ReLU."""
    import torch

    out = tmp_path / "out"
    converter.convert(CASES / "mlp_head.params", out, **TOLD, backbone=True)
    arrays = own.arrays_of(CASES / "mlp_head.npz")
    known: dict[str, Any] = {"inputs": own.inputs_of(arrays)}
    with torch.no_grad():
        for block in own.code_of(out):
            exec(block, known)
        pooled = known["model"](**known["inputs"]).pooler_output
        logits = known["fc_2"](torch.relu(known["fc_0"](pooled)))
    assert far(logits, arrays["logits"], arrays) <= ATOL


def test_the_lstm_of_the_page(tmp_path: Path) -> None:
    import torch

    out = tmp_path / "out"
    converter.convert(CASES / "bert_bilstm_crf.params", out, **TOLD, backbone=True)
    arrays = own.arrays_of(CASES / "bert_bilstm_crf.npz")
    page = (Path(__file__).parents[2] / "docs" / "own-class.md").read_text("utf-8")
    code = page.split("```python\n")[-1].split("```")[0]
    for old, new in (("(12, 3,", "(24, 12,"), ("(6, 4)", "(24, 9)"), ('"crf', f'"{out}')):
        assert old in code
        code = code.replace(old, new)
    known: dict[str, Any] = {"inputs": own.inputs_of(arrays)}
    with torch.no_grad():
        exec(code, known)
    assert far(known["emissions"], arrays["emissions"], arrays) <= ATOL


@pytest.mark.parametrize("name", ["ner_pooler", "ner_pooler_collect"])
def test_a_tagger_over_a_pooler_is_a_token_classifier_when_that_is_said(
    name: str, tmp_path: Path
) -> None:
    """It became a sequence classifier, exit 0."""
    out = tmp_path / "out"
    with pytest.raises(PlanError, match="--head"):
        converter.convert(CASES / f"{name}.params", out, **TOLD)
    assert not out.exists()
    report = converter.convert(CASES / f"{name}.params", out, **TOLD, head="token-classification")
    assert report.plan.transformers_class == "BertForTokenClassification"
    arrays = own.arrays_of(CASES / "ner_pooler.npz")
    assert far(recordings.outputs_of(out, arrays)["logits"], arrays["logits"], arrays) <= ATOL


def test_mixed_dtypes_are_loaded_as_they_were_written(tmp_path: Path) -> None:
    """float16 but for the embeddings: all of it is read as float32, the widest, without loss."""
    import torch
    from transformers import BertModel

    path, out = CASES / "mixed_fp16.params", tmp_path / "out"
    assert converter.convert(path, out, **TOLD).passed
    weights = BertModel.from_pretrained(out).state_dict()
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    source = load_params(path)
    names = {
        "word_embed.0.weight": "embeddings.word_embeddings.weight",
        "encoder.transformer_cells.0.ffn.ffn_1.weight": "encoder.layer.0.intermediate.dense.weight",
    }
    for theirs, ours in names.items():
        assert (weights[ours].numpy() == source[theirs].astype(np.float32)).all()
    assert {source[name].dtype.name for name in names} == {"float16", "float32"}
