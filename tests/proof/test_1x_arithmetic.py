"""GluonNLP 1.x's arithmetic in NumPy against what real MXNet + autogluon_contrib_nlp recorded."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests import zoo, zoo_1x

ATOL = 1e-5  # measured: at most 3e-6
NAMES = zoo_1x.NAMES
MOBILEBERT = [name for name in NAMES if name.startswith("mobilebert")]
WITH_LAYER_NORM = [
    name
    for name in NAMES
    if name not in MOBILEBERT or zoo_1x.recorded(name).about["normalization"] == "layer_norm"
]


def worst(name: str, **changed: Any) -> dict[str, float]:
    recording = zoo_1x.recorded(name)
    family = zoo_1x.MANIFEST[name]["family"]
    outputs = zoo_1x.run(zoo_1x.source(name), family, recording, **changed)
    return zoo.worst(recording, outputs)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_recording(name: str) -> None:
    found = worst(name)
    assert all(value <= ATOL for value in found.values()), found


@pytest.mark.parametrize("name", WITH_LAYER_NORM)
def test_another_epsilon_is_seen(name: str) -> None:
    own = zoo_1x.recorded(name).about["layer_norm_eps"]
    assert worst(name, layer_norm_eps=1e-3 if own < 1e-3 else 1e-5)["layer 2"] > ATOL


@pytest.mark.parametrize("name", NAMES)
def test_another_activation_is_seen(name: str) -> None:
    own = zoo_1x.recorded(name).about["activation"]
    for other in {"gelu", "gelu(tanh)", "gelu(sigmoid)", "relu"} - {own}:
        assert worst(name, activation=other)["layer 1"] > ATOL, other


@pytest.mark.parametrize("name", NAMES)
def test_another_number_of_heads_is_seen(name: str) -> None:
    own = zoo_1x.recorded(name).about["num_heads"]
    assert worst(name, num_heads=2 if own != 2 else 1)["layer 1"] > 0.01


@pytest.mark.parametrize(
    "name", [n for n in NAMES if zoo_1x.recorded(n).inputs.token_types is not None]
)
def test_token_types_are_seen(name: str) -> None:
    inputs = zoo_1x.recorded(name).inputs
    without = dataclasses.replace(inputs, token_types=None)
    assert worst(name, inputs=without)["layer 1"] > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_padding_is_not_seen(name: str) -> None:
    """Other words behind the valid length change nothing before it."""
    inputs = zoo_1x.recorded(name).inputs
    ids = np.where(inputs.valid(), inputs.input_ids, 0)
    found = worst(name, inputs=dataclasses.replace(inputs, input_ids=ids))
    assert (ids != inputs.input_ids).any()
    if name in MOBILEBERT:  # its embeddings see a word's neighbours, padding or not
        assert found["layer 1"] > 0.01
        return
    assert all(value <= ATOL for value in found.values()), found


@pytest.mark.parametrize("name", MOBILEBERT)
def test_another_normalization_is_seen(name: str) -> None:
    own = zoo_1x.recorded(name).about["normalization"]
    other = "no_norm" if own == "layer_norm" else "layer_norm"
    assert worst(name, normalization=other)["layer 1"] > 0.01
    with pytest.raises(ValueError, match="no_norm or layer_norm, not 'batch_norm'"):
        worst(name, normalization="batch_norm")
