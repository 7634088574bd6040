"""GluonNLP's layers, put together of MXNet's operators: record_golden_operators.py uses them.

Sources: GluonNLP v0.10.0 model/{block,attention_cell}.py; dmlc/gluon-nlp master (14553a0)
src/gluonnlp/{layers,attention_cell}.py, models/transformer.py (TransformerEncoderLayer).
"""

import math

import mxnet as mx
import numpy as np

nd = mx.nd
HIDDEN = -1e18  # the score of a key that is not seen
ROOT_2, ROOT_2_PI = math.sqrt(2), math.sqrt(2 / math.pi)


class Weights:
    """The arrays of a file below a prefix; what was asked for is remembered."""

    def __init__(self, arrays: dict, prefix: str = "", used: object = None) -> None:
        self.arrays, self.prefix, self.used = arrays, prefix, set() if used is None else used

    def __getitem__(self, name: str) -> nd.NDArray:
        name = self.prefix + name
        if name not in self.arrays:
            raise SystemExit(f"missing: {name}; the file has {sorted(self.arrays)[:4]} ...")
        self.used.add(name)
        return nd.array(self.arrays[name], dtype="float32")

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.arrays

    def child(self, name: str) -> "Weights":
        """The same below a longer prefix."""
        return Weights(self.arrays, f"{self.prefix}{name}.", self.used)

    def first(self, *names: str) -> nd.NDArray:
        """The array by the first of its names that is there."""
        return self[next((name for name in names if name in self), names[0])]

    def numbered(self, name: str) -> list:
        """The children called by a number below `name`, in order."""
        begin = f"{self.prefix}{name}."
        names = (n[len(begin) :].split(".")[0] for n in self.arrays if n.startswith(begin))
        return [self.child(f"{name}.{n}") for n in sorted({int(n) for n in names})]


def dense(block: Weights, data: nd.NDArray) -> nd.NDArray:
    """nn.Dense(flatten=False), with or without a bias."""
    weight = block["weight"]
    bias = [block["bias"]] if "bias" in block else []
    return nd.FullyConnected(
        data, weight, *bias, num_hidden=weight.shape[0], no_bias=not bias, flatten=False
    )


def layer_norm(block: Weights, data: nd.NDArray, eps: float) -> nd.NDArray:
    """nn.LayerNorm over the last axis."""
    return nd.LayerNorm(data, block["gamma"], block["beta"], axis=-1, eps=eps)


def rms_norm(block: Weights, data: nd.NDArray, eps: float) -> nd.NDArray:
    """RMSNorm of the master branch: it adds a `beta`, which it keeps at zero."""
    scale = nd.rsqrt(nd.square(data).mean(axis=-1, keepdims=True) + eps)
    normed = nd.broadcast_mul(data, scale)
    return nd.broadcast_add(nd.broadcast_mul(normed, block["gamma"]), block["beta"])


def activate(name: str, data: nd.NDArray) -> nd.NDArray:
    """GluonNLP's activations: gelu by erf, gelu_tanh or gelu(tanh), relu."""
    if name == "gelu":
        return 0.5 * data * (1 + nd.erf(data / ROOT_2))
    if name in ("gelu_tanh", "gelu(tanh)"):
        return 0.5 * data * (1 + nd.tanh(ROOT_2_PI * (data + 0.044715 * data**3)))
    if name == "relu":
        return nd.relu(data)
    raise SystemExit(f"--activation {name}: there are gelu, gelu(tanh) and relu")


def embed(table: nd.NDArray, ids: np.ndarray) -> nd.NDArray:
    """(batch, length) ids → (batch, length, units)."""
    return nd.Embedding(nd.array(ids), table, input_dim=table.shape[0], output_dim=table.shape[1])


def split(data: nd.NDArray, heads: int) -> nd.NDArray:
    """(batch, length, units) → (batch × heads, length, units of a head)."""
    data = data.reshape((0, 0, heads, -1)).transpose((0, 2, 1, 3))
    return data.reshape((-1, data.shape[2], data.shape[3]))


def attend(scores: nd.NDArray, value: nd.NDArray, heads: int, seen: np.ndarray) -> nd.NDArray:
    """Softmax of scores (batch × heads, query, key) and what is seen of the values, by units.

    `seen`, of a shape like (batch, 1, query, key), is 1 where a key may be seen, else 0.
    """
    shape = (-1, heads, scores.shape[1], scores.shape[2])
    mask = nd.broadcast_like(nd.array(seen), scores.reshape(shape))
    weights = nd.softmax(nd.where(mask, scores.reshape(shape), HIDDEN * nd.ones_like(mask))) * mask
    context = nd.batch_dot(weights.reshape(scores.shape), value)
    context = context.reshape((-1, heads, context.shape[1], context.shape[2]))
    return context.transpose((0, 2, 1, 3)).reshape((0, 0, -1))


def scaled(query: nd.NDArray, key: nd.NDArray) -> nd.NDArray:
    """Scores of a DotProductAttentionCell(scaled=True)."""
    return nd.batch_dot(query / math.sqrt(query.shape[-1]), key, transpose_b=True)


def qkv_attention(block: Weights, data: nd.NDArray, heads: int, seen: np.ndarray) -> nd.NDArray:
    """Attention of which one Dense gives query, key and value, one after the other."""
    query, key, value = (split(part, heads) for part in dense(block, data).split(3, axis=2))
    return attend(scaled(query, key), value, heads, seen)


def valid(lengths: np.ndarray, length: int) -> np.ndarray:
    """1 where a key is no padding, (batch, 1, 1, length)."""
    return (np.arange(length) < lengths[:, None])[:, None, None].astype("float32")


def causal(length: int) -> np.ndarray:
    """1 where a key is the query or before it, (1, 1, length, length)."""
    return np.tri(length, dtype="float32")[None, None]


def ffn(block: Weights, data: nd.NDArray, activation: str, eps: float) -> nd.NDArray:
    """PositionwiseFFN: Dense, activation, Dense; it adds its input, then norms."""
    inner = activate(activation, dense(block.child("ffn_1"), data))
    return layer_norm(block.child("layer_norm"), dense(block.child("ffn_2"), inner) + data, eps)


def encoder_layer(
    layer: Weights, data: nd.NDArray, seen: np.ndarray, heads: int, activation: str, eps: float
) -> nd.NDArray:
    """TransformerEncoderLayer of 1.x, post norm."""
    context = qkv_attention(layer.child("attn_qkv"), data, heads, seen)
    data = dense(layer.child("attention_proj"), context) + data
    data = layer_norm(layer.child("layer_norm"), data, eps)
    return ffn(layer.child("ffn"), data, activation, eps)
