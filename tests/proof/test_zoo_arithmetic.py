"""GluonNLP's arithmetic in NumPy against what real MXNet + GluonNLP recorded, family by family."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from converter.proof.reference.layers import Inputs
from converter.tables.check import OUTPUTS
from tests import zoo, zoo_1x

ATOL = 1e-5  # measured: at most 3e-6
PACKAGED = [name for name in zoo.NAMES if not name.startswith("scripts/")]
VERSION_09 = [name for name in PACKAGED if name.startswith("0.9.")]
OTHER_VERSIONS = [name for name in PACKAGED if name not in VERSION_09]
DECODERS = [name for name in PACKAGED if "mlm_logits" in zoo.recorded(name).named]


def worst(name: str, **changed: Any) -> dict[str, float]:
    recording = zoo.recorded(name)
    return zoo.worst(recording, zoo.run(zoo.source(name), recording, **changed))


@pytest.mark.parametrize("name", zoo.NAMES)
def test_equals_the_recording(name: str) -> None:
    found = worst(name)
    if "roberta_classifier" in name:  # RoBERTaClassifier keeps to itself what it pools
        assert found.pop("pooled") == float("inf")
    assert all(value <= ATOL for value in found.values()), found


def test_every_output_was_recorded() -> None:
    words = {word for name in zoo.NAMES for word in zoo.recorded(name).named}
    words |= {word for name in zoo_1x.NAMES for word in zoo_1x.recorded(name).named}
    assert words == OUTPUTS.keys() - {"query_stream"}, "GluonNLP never runs XLNet's query stream"


@pytest.mark.parametrize("name", VERSION_09)
def test_plain_biases_are_not_those_of_0_9(name: str) -> None:
    found = worst(name, attention_biases="plain")
    assert found["layer 1"] > 0.05


@pytest.mark.parametrize("name", OTHER_VERSIONS)
def test_scrambled_biases_are_those_of_0_9_alone(name: str) -> None:
    assert worst(name, attention_biases="scrambled")["layer 1"] > 0.05


def test_no_other_layout_of_biases() -> None:
    with pytest.raises(ValueError, match="plain or scrambled, not 'mixed'"):
        worst("0.9.2/bert_full", attention_biases="mixed")


@pytest.mark.parametrize("name", DECODERS)
def test_another_epsilon_of_the_decoder_is_seen(name: str) -> None:
    own = zoo.recorded(name).about["decoder_layer_norm_eps"]
    found = worst(name, decoder_layer_norm_eps=1e-5 if own == 1e-12 else 1e-12)
    assert found["mlm_logits"] > ATOL
    assert found["layer 2"] <= ATOL


@pytest.mark.parametrize("name", zoo.NAMES)
def test_another_epsilon_is_seen(name: str) -> None:
    own = zoo.recorded(name).about["layer_norm_eps"]
    assert worst(name, layer_norm_eps=1e-5 if own == 1e-12 else 1e-12)["layer 2"] > ATOL


@pytest.mark.parametrize("name", PACKAGED)
def test_another_epsilon_of_the_embeddings_is_seen(name: str) -> None:
    """As 0.9.0 and 0.9.1 had one of their own there."""
    own = zoo.recorded(name).about["layer_norm_eps"]
    assert worst(name, embedding_layer_norm_eps=own)["layer 1"] <= ATOL
    assert worst(name, embedding_layer_norm_eps=1e-3)["layer 1"] > ATOL


@pytest.mark.parametrize("name", zoo.NAMES)
def test_another_activation_is_seen(name: str) -> None:
    own = zoo.recorded(name).about["activation"]
    for other in {"gelu", "gelu_tanh", "relu"} - {own}:
        assert worst(name, activation=other)["layer 1"] > ATOL, other


@pytest.mark.parametrize("name", [n for n in zoo.NAMES if zoo.recorded(n).about.get("num_heads")])
def test_another_number_of_heads_is_seen(name: str) -> None:
    assert worst(name, num_heads=2)["layer 1"] > 0.01


@pytest.mark.parametrize(
    "name", [n for n in zoo.NAMES if zoo.recorded(n).inputs.token_types is not None]
)
def test_token_types_are_seen(name: str) -> None:
    inputs = zoo.recorded(name).inputs
    without = dataclasses.replace(inputs, token_types=None)
    assert worst(name, inputs=without)["layer 1"] > 0.01
    assert inputs.token_types is not None
    zeros = dataclasses.replace(inputs, token_types=np.zeros_like(inputs.token_types))
    assert worst(name, inputs=zeros) == worst(name, inputs=without)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_padding_is_not_seen(name: str) -> None:
    """Other words behind the valid length change nothing before it."""
    inputs = zoo.recorded(name).inputs
    ids = np.where(inputs.valid(), inputs.input_ids, 0)
    found = worst(name, inputs=Inputs(ids, inputs.valid_length, inputs.token_types))
    found.pop("pooled", None)
    assert (ids != inputs.input_ids).any()
    assert all(value <= ATOL for value in found.values()), found
