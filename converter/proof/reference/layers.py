"""The blocks of GluonNLP 0.x in NumPy, float32, inference only (dropout does nothing).

Sources: GluonNLP v0.8.3 `model/block.py`, `model/attention_cell.py`; MXNet 1.5 `gluon.nn`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from converter.errors import ConvertError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Inputs:
    """What a model is run on.

    input_ids:    integers (batch, length)
    valid_length: integers (batch,); what comes after it is padding
    token_types:  integers (batch, length); None: the model has none
    decoder_ids:  integers (batch, decoder length); None: the model has no decoder
    decoder_valid_length: integers (batch,)
    predicted:    truth values (batch, positions): the words at the beginning that XLNet's query
        stream must not see; None: it is not run
    """

    input_ids: Array
    valid_length: Array
    token_types: Array | None = None
    decoder_ids: Array | None = None
    decoder_valid_length: Array | None = None
    predicted: Array | None = None

    def valid(self) -> Array:
        """True where a position is no padding, (batch, length)."""
        return _valid(self.input_ids, self.valid_length)

    def decoder_valid(self) -> Array | None:
        """True where a position of the decoder is no padding, (batch, decoder length)."""
        if self.decoder_ids is None or self.decoder_valid_length is None:
            return None
        return _valid(self.decoder_ids, self.decoder_valid_length)


def _valid(ids: Array, lengths: Array) -> Array:
    mask: Array = np.arange(ids.shape[1]) < np.asarray(lengths)[:, None]
    return mask


@dataclass(frozen=True)
class InputSpec:
    """What inputs a model takes beside word ids: `token_types` 0: none, `max_length` None: any.

    `decoder`: it takes ids for a decoder too. `query_stream`: it can predict words that it does not
    see (XLNet). `length` and `batch` are what shows all of the model:
    more than usual where it tells far positions apart.
    """

    max_length: int | None
    token_types: int
    decoder: bool = False
    length: int = 24
    batch: int = 4
    query_stream: bool = False


@dataclass(frozen=True)
class Outputs:
    """What a forward pass gives, float32.

    hidden_states: embeddings' output, then each layer's, (batch, length, units); of the encoder,
        where there is a decoder
    named:         the others by their words: `OUTPUTS` in `converter/tables/check.py`; of the
        decoder, where there is one
    decoder_states: as hidden_states, of the decoder; empty without one
    unproven:      logits that the target gives and that have none of these words
    """

    hidden_states: Sequence[Array]
    named: Mapping[str, Array] = field(default_factory=dict)
    decoder_states: Sequence[Array] = ()
    unproven: tuple[str, ...] = ()


class Streamed(Mapping[str, Array]):
    """Parameters of which a part can be read: a table of words need not be in memory whole."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one, without reading it."""

    @abstractmethod
    def rows(self, name: str, ids: Array) -> Array:
        """Its rows of these numbers, (*ids.shape, …). Raises `IndexError` for one it lacks."""

    @abstractmethod
    def blocks(self, name: str) -> Iterator[Array]:
        """All its rows in order, some at a time; a block is valid until the next one."""


class Place(Protocol):
    """Where what each Dense gives is put, by the source name of its weight."""

    def __setitem__(self, name: str, values: Array, /) -> None: ...


class Dropped:
    """A place for what nobody asks for."""

    def __setitem__(self, name: str, values: Array) -> None:
        return None


@dataclass(frozen=True)
class Table:
    """A parameter (words, units) that may be large: only what is asked for is read of it."""

    params: Mapping[str, Array]
    name: str

    @property
    def units(self) -> int:
        """The length of a row."""
        params = self.params
        if isinstance(params, Streamed):
            return params.shape(self.name)[1]
        return len(params[self.name][0])

    def rows(self, ids: Array) -> Array:
        """The rows of `ids`, (*ids.shape, units)."""
        params = self.params
        if isinstance(params, Streamed):
            return _computable(params.rows(self.name, ids))
        return _computable(params[self.name][ids])

    def scores(self, data: Array) -> Array:
        """(…, units) → (…, words): how much each row is like the data."""
        params = self.params
        if not isinstance(params, Streamed):
            product: Array = data @ _computable(params[self.name]).T
            return product
        words, start = params.shape(self.name)[0], 0
        flat = data.reshape(-1, data.shape[-1])
        for number, block in enumerate(params.blocks(self.name)):
            part = flat @ _computable(block).T
            if not number:
                found = np.empty((len(flat), words), part.dtype)
            found[:, start : start + part.shape[1]] = part
            start += part.shape[1]
        return found.reshape(*data.shape[:-1], words)

    def valid_scores(self, data: Array, valid: Array, bias: Array | None = None) -> Array:
        """The scores of data (batch, length, units) where `valid`, with the bias; else zeros.

        The last Dense costs more than all the rest, and nothing is compared elsewhere.
        """
        found = self.scores(data[valid])
        found = found if bias is None else found + bias
        scores = np.zeros((*valid.shape, found.shape[-1]), found.dtype)
        scores[valid] = found
        return scores


def _computable(values: Array) -> Array:
    """float32, and so is all arithmetic; float64 stays so, as in MXNet."""
    values = np.asarray(values)
    return values if values.dtype == np.float64 else values.astype(np.float32, copy=False)


@dataclass
class Weights:
    """The parameters of a block and its children by their names below `prefix`.

    They are float32, and so is all arithmetic; float64 ones stay so, as in MXNet.

    `dense_outputs` gets what each Dense gives, by the full name of its weight.
    """

    params: Mapping[str, Array]
    prefix: str = ""
    dense_outputs: Place = field(default_factory=Dropped)

    def __getitem__(self, name: str) -> Array:
        return _computable(self.params[self.prefix + name])

    def table(self, *names: str) -> Table:
        """The parameter by the first of its names that is there, as a table of words."""
        name = next((name for name in names if name in self), names[0])
        return Table(self.params, self.prefix + name)

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.params

    def first(self, *names: str) -> Array:
        """The parameter by the first of its names that is there; one may have several."""
        return self[next((name for name in names if name in self), names[0])]

    def child(self, name: str) -> Weights:
        """The block's child: the same parameters under a longer prefix."""
        return Weights(self.params, f"{self.prefix}{name}.", self.dense_outputs)

    @property
    def outer(self) -> Weights:
        """All parameters, by their whole names."""
        return Weights(self.params, "", self.dense_outputs)

    def numbered(self, name: str) -> list[Weights]:
        """The children called by a number that have a parameter `name`, in order.

        Numbers may be left out: blocks without parameters, such as Dropout, have one too.
        """
        names = (n.removeprefix(self.prefix) for n in self.params if n.startswith(self.prefix))
        split = (n.split(".", 1) for n in names)
        numbers = {int(first) for first, *rest in split if rest == [name] and first.isdecimal()}
        return [self.child(str(number)) for number in sorted(numbers)]


def dense(block: Weights, data: Array, bias: Array | None = None) -> Array:
    """`nn.Dense(flatten=False)`: (…, in) → (…, out); the weight is (out, in).

    The bias is the block's own, or `bias` in its place; a block built without one has none.
    """
    result: Array = data @ block["weight"].T
    if bias is not None or "bias" in block:
        result = result + (block["bias"] if bias is None else bias)
    block.dense_outputs[block.prefix + "weight"] = result
    return result


def layer_norm(block: Weights, data: Array, eps: float) -> Array:
    """`nn.LayerNorm` over the last axis, the epsilon inside the square root."""
    mean = data.mean(-1, keepdims=True)
    centred = data - mean
    variance = np.square(centred).mean(-1, keepdims=True)
    normed: Array = centred / np.sqrt(variance + np.float32(eps))
    return normed * block["gamma"] + block["beta"]


def positionwise_ffn(block: Weights, data: Array, act: str, eps: float) -> Array:
    """`PositionwiseFFN`: Dense, activation, Dense; it adds its input, then norms."""
    inner = activation(act, dense(block.child("ffn_1"), data))
    return layer_norm(block.child("layer_norm"), dense(block.child("ffn_2"), inner) + data, eps)


def activation(name: str, data: Array) -> Array:
    """GluonNLP's activations, and Transformers' names for the same.

    `gelu` is the exact one, by erf; `gelu_tanh` is `GELU(approximate=True)`, v0.9.0
    `model/block.py`, which Transformers calls `gelu_new` and `gelu_pytorch_tanh`. GluonNLP 1.x
    (autogluon_contrib_nlp 0.0.1b20220208, `layers.py`, get_activation) calls it `gelu(tanh)`, and
    has `gelu(sigmoid)`, which Transformers calls `quick_gelu`.
    """
    match name:
        case "gelu":
            from scipy.special import erf  # here: `import converter` must not cost scipy

            return data * np.float32(0.5) * (1 + erf(data / np.float32(math.sqrt(2))))
        case "gelu_tanh" | "gelu(tanh)" | "gelu_new" | "gelu_pytorch_tanh":
            inner = np.float32(math.sqrt(2 / math.pi)) * (data + np.float32(0.044715) * data**3)
            approximate: Array = np.float32(0.5) * data * (1 + np.tanh(inner))
            return approximate
        case "gelu(sigmoid)" | "quick_gelu":
            from scipy.special import expit

            by_sigmoid: Array = data * expit(np.float32(1.702) * data)
            return by_sigmoid
        case "relu":
            return np.maximum(data, 0)
        case "tanh":
            return np.tanh(data)
    raise ConvertError(
        f"GluonNLP has no activation {name!r}; it has gelu, gelu_tanh, gelu(sigmoid), relu and tanh"
    )


def split_heads(data: Array, num_heads: int) -> Array:
    """(batch, length, units) → (batch, heads, length, units of a head)."""
    return data.reshape(*data.shape[:2], num_heads, -1).transpose(0, 2, 1, 3)


def join_heads(data: Array) -> Array:
    """(batch, heads, length, units of a head) → (batch, length, units)."""
    data = data.transpose(0, 2, 1, 3)
    return data.reshape(*data.shape[:2], -1)


def attend(query: Array, key: Array, value: Array, mask: Array, num_heads: int) -> Array:
    """`DotProductAttentionCell(scaled=True)`, by heads; all (batch, length, units).

    mask, of a shape like (batch, heads, length, length), is True where a key may be seen.
    """
    query, key, value = (split_heads(data, num_heads) for data in (query, key, value))
    scores = (query / np.float32(math.sqrt(query.shape[-1]))) @ key.swapaxes(-1, -2)
    return join_heads(masked_softmax(scores, mask) @ value)


def masked_softmax(scores: Array, mask: Array) -> Array:
    """Softmax over the last axis; masked places weigh nothing (`_masked_softmax`)."""
    scores = np.where(mask, scores, np.float32(-1e18))
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    weights: Array = powers / powers.sum(-1, keepdims=True) * mask
    return weights
