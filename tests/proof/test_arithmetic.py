"""GluonNLP's arithmetic in NumPy against what real MXNet + GluonNLP recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from converter.errors import ConvertError
from converter.params import load_params
from converter.proof.reference import bert
from converter.proof.reference.layers import Inputs, Outputs, Weights
from tests import borts

ATOL = 1e-5  # MXNet 1.5.0 and 1.9.1 differ from each other by 3e-6 on these models


def run(name: str, **changed: Any) -> Outputs:
    arrays, about = borts.recorded(name)
    params = load_params(borts.source(name))
    settings = {
        "num_heads": about["num_heads"],
        "activation": "gelu",
        "layer_norm_eps": about["layer_norm_eps"],
        "decoder_layer_norm_eps": about["decoder_layer_norm_eps"],
        **changed,
    }
    prefix = "bort." if any(key.startswith("bort.") for key in params) else ""
    inputs = Inputs(arrays["input_ids"], arrays["valid_length"])
    return bert.forward(Weights(params, prefix), inputs, **settings)


def worst(name: str, outputs: Outputs) -> dict[str, float]:
    """Largest difference to the recording, by output, on valid positions."""
    arrays, _ = borts.recorded(name)
    valid = np.arange(arrays["input_ids"].shape[1]) < arrays["valid_length"][:, None]
    found = {
        f"layer {n + 1}": float(np.abs(outputs.hidden_states[n + 1] - state)[valid].max())
        for n, state in enumerate(arrays["hidden_states"])
    }
    if "mlm_logits" in arrays:
        gap = outputs.named["mlm_logits"] - arrays["mlm_logits"]
        found["mlm_logits"] = float(np.abs(gap)[valid].max())
    if "logits" in arrays:
        found["logits"] = float(np.abs(outputs.named["logits"] - arrays["logits"]).max())
    return found


@pytest.mark.parametrize("name", borts.NAMES)
def test_equals_the_recording(name: str) -> None:
    outputs = run(name)
    found = worst(name, outputs)
    assert all(value <= ATOL for value in found.values()), found
    assert {output.dtype for output in outputs.hidden_states} == {np.dtype(np.float32)}
    expected = {"BertForMaskedLM": "mlm_logits", "BertForSequenceClassification": "logits"}
    target = borts.MANIFEST[name]["transformers_class"]
    assert target == "BertModel" or expected[target] in found


@pytest.mark.parametrize(
    ("changed", "output"),
    [
        ({"num_heads": 8}, "layer 1"),
        ({"activation": "relu"}, "layer 1"),
        ({"layer_norm_eps": 1e-12}, "layer 1"),
        ({"decoder_layer_norm_eps": 1e-5}, "mlm_logits"),
    ],
)
def test_another_setting_is_seen(changed: dict[str, Any], output: str) -> None:
    assert worst("bort_decoder", run("bort_decoder", **changed))[output] > ATOL


def test_padding_is_not_seen() -> None:
    arrays, _ = borts.recorded("bort_decoder")
    params = load_params(borts.source("bort_decoder"))
    settings: dict[str, Any] = {
        "num_heads": 4,
        "activation": "gelu",
        "layer_norm_eps": 1e-5,
        "decoder_layer_norm_eps": 1e-12,
    }
    ids, lengths = arrays["input_ids"][1:2], arrays["valid_length"][1:2]
    padded = bert.forward(Weights(params), Inputs(ids, lengths), **settings)
    alone = bert.forward(Weights(params), Inputs(ids[:, : lengths[0]], lengths), **settings)
    for a, b in zip(padded.hidden_states, alone.hidden_states, strict=True):
        np.testing.assert_allclose(a[:, : lengths[0]], b, atol=ATOL)


def test_unknown_activation() -> None:
    with pytest.raises(ConvertError, match="no activation 'swish'"):
        run("bort_backbone", activation="swish")
