"""The blocks of GluonNLP 0.x in NumPy, float32, inference only (dropout does nothing).

Sources: GluonNLP v0.8.3 `model/block.py`, `model/attention_cell.py`; MXNet 1.5 `gluon.nn`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.errors import ConvertError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Inputs:
    """What a model is run on.

    input_ids:    integers (batch, length)
    valid_length: integers (batch,); what stands behind it is padding
    token_types:  integers (batch, length); None: the model has none
    """

    input_ids: Array
    valid_length: Array
    token_types: Array | None = None

    def valid(self) -> Array:
        """True where a position is no padding, (batch, length)."""
        mask: Array = np.arange(self.input_ids.shape[1]) < np.asarray(self.valid_length)[:, None]
        return mask


@dataclass(frozen=True)
class Domain:
    """What inputs a model takes beside word ids: `token_types` 0: none, `max_length` None: any."""

    max_length: int | None
    token_types: int


@dataclass(frozen=True)
class Outputs:
    """What a forward pass gives, float32.

    hidden_states: embeddings' output, then each layer's, (batch, length, units)
    taps:          the output of each Dense by the source name of its weight
    named:         the others by their words: `OUTPUTS` in `converter/table_check.py`
    """

    hidden_states: tuple[Array, ...]
    taps: Mapping[str, Array]
    named: Mapping[str, Array] = field(default_factory=dict)


@dataclass
class Weights:
    """The parameters of a block and its children by their names below `prefix`, as float32.

    `taps` collects what each Dense gives, by the full name of its weight.
    """

    params: Mapping[str, Array]
    prefix: str = ""
    taps: dict[str, Array] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Array:
        return np.asarray(self.params[self.prefix + name], np.float32)

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.params

    def child(self, name: str) -> Weights:
        """The block's child: the same parameters under a longer prefix."""
        return Weights(self.params, f"{self.prefix}{name}.", self.taps)


def dense(block: Weights, data: Array) -> Array:
    """`nn.Dense(flatten=False)`: (…, in) → (…, out); the weight is (out, in)."""
    result: Array = data @ block["weight"].T + block["bias"]
    block.taps[block.prefix + "weight"] = result
    return result


def layer_norm(block: Weights, data: Array, eps: float) -> Array:
    """`nn.LayerNorm` over the last axis, the epsilon inside the square root."""
    mean = data.mean(-1, keepdims=True, dtype=np.float32)
    centred = data - mean
    variance = np.square(centred).mean(-1, keepdims=True, dtype=np.float32)
    normed: Array = centred / np.sqrt(variance + np.float32(eps))
    return normed * block["gamma"] + block["beta"]


def activation(name: str, data: Array) -> Array:
    """`gelu` is the exact one, by erf (`model/block.py`, `GELU`); `relu` and `tanh` as usual."""
    match name:
        case "gelu":
            from scipy.special import erf  # here: `import converter` must not cost scipy

            return data * np.float32(0.5) * (1 + erf(data / np.float32(math.sqrt(2))))
        case "relu":
            return np.maximum(data, 0)
        case "tanh":
            return np.tanh(data)
    raise ConvertError(f"GluonNLP 0.x has no activation {name!r}; it has gelu, relu and tanh")


def self_attention(cell: Weights, data: Array, mask: Array, num_heads: int) -> Array:
    """`MultiHeadAttentionCell` over `DotProductAttentionCell(scaled=True)`.

    data (batch, length, units); mask (batch, 1, 1, length) is True where a key may be seen.
    """
    batch, length, units = data.shape

    def project(name: str) -> Array:
        split = dense(cell.child(f"proj_{name}"), data).reshape(batch, length, num_heads, -1)
        return split.transpose(0, 2, 1, 3)

    query = project("query") / np.float32(math.sqrt(units // num_heads))
    scores = query @ project("key").swapaxes(-1, -2)
    weights = masked_softmax(scores, mask)
    return (weights @ project("value")).transpose(0, 2, 1, 3).reshape(batch, length, units)


def masked_softmax(scores: Array, mask: Array) -> Array:
    """Softmax over the last axis; masked places weigh nothing (`_masked_softmax`)."""
    scores = np.where(mask, scores, np.float32(-1e18))
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    weights: Array = powers / powers.sum(-1, keepdims=True) * mask
    return weights
