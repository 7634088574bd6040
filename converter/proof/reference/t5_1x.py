"""GluonNLP 1.x T5Model, and MT5Model, which is the same class, in NumPy.

Source: dmlc/gluon-nlp master (14553a0) `src/gluonnlp/models/t5.py` (T5Model, T5Block, T5Inference),
`src/gluonnlp/layers.py` (RMSNorm, PositionwiseFFN with `pre_norm` and `use_gated_activation`),
`src/gluonnlp/attention_cell.py` (RelAttentionScoreCell, gen_rel_position), `src/gluonnlp/op.py`
(relative_position_bucket).
"""

from __future__ import annotations

import math

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Array, Inputs, InputSpec, Outputs, Weights

MAX_DISTANCE = 128  # RelAttentionScoreCell's own; T5Model gives none
LENGTH, BATCH = 300, 2  # past MAX_DISTANCE, so that every bucket is met; few texts, to stay fast


def input_spec(model: Weights) -> InputSpec:
    """Any length."""
    return InputSpec(max_length=None, token_types=0, decoder=True, length=LENGTH, batch=BATCH)


def forward(
    model: Weights,
    inputs: Inputs,
    *,
    activation: str,
    layer_norm_eps: float,
    max_distance: int = MAX_DISTANCE,
    logits_exponent: float | None = None,
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`; `inputs` has decoder ids.

    The number of heads is that of the relative positions' columns. Positions of the encoder behind
    the valid length are not seen. The last of the hidden states, on both sides, is what the final
    norm gives, as in Transformers. T5Model has no LM head; that of T5Inference is its embedding.
    Its logits are multiplied by the units to the power of `logits_exponent`; None: there are none.
    """
    if inputs.decoder_ids is None:
        raise ValueError("T5Model needs decoder_ids")
    name = "input_embedding_layer.weight"  # T5Inference may have it as the last name alone
    embedding = model.table(name) if name in model else model.outer.table("output_layer.weight")
    mask = inputs.valid()[:, None, None, :]

    def run(side: Weights, ids: Array, memory: Array | None) -> tuple[Array, ...]:
        """The encoder, or with a memory (batch, encoder's length, units) the decoder."""
        length = ids.shape[1]
        positions = _relative_positions(side, length, memory is None, max_distance)
        seen = mask if memory is None else np.tri(length, dtype=bool)
        states = [embedding.rows(ids)]
        for layer in side.child("layers").numbered("self_attn_layer_norm.gamma"):
            data = states[-1]
            normed = _rms_norm(layer.child("self_attn_layer_norm"), data, layer_norm_eps)
            data = data + _attention(layer, "self", normed, normed, seen, positions)
            if memory is not None:
                normed = _rms_norm(layer.child("cross_attn_layer_norm"), data, layer_norm_eps)
                shape = np.zeros((len(positions), 1, 1), np.float32)
                data = data + _attention(layer, "cross", normed, memory, mask, shape)
            states.append(data + _ffn(layer.child("ffn"), data, activation, layer_norm_eps))
        states[-1] = _rms_norm(side.child("final_layer_norm"), states[-1], layer_norm_eps)
        return tuple(states)

    encoded = run(model.child("encoder"), inputs.input_ids, None)
    decoded = run(model.child("decoder"), np.asarray(inputs.decoder_ids), encoded[-1])
    named = {}
    if logits_exponent is not None:
        scale = np.float32(embedding.units**logits_exponent)
        named["lm_logits"] = embedding.scores(decoded[-1] * scale)
    return Outputs(encoded, named, decoded)


def _rms_norm(block: Weights, data: Array, eps: float) -> Array:
    """RMSNorm: no mean is taken off, yet a `beta` is added, which `center=False` keeps at zero."""
    variance = np.square(data).mean(-1, keepdims=True)
    normed: Array = data / np.sqrt(variance + np.float32(eps))
    return normed * block["gamma"] + block["beta"]


def _ffn(block: Weights, data: Array, act: str, eps: float) -> Array:
    """PositionwiseFFN without the residual: plain, or gated when it has a second first Dense."""
    data = _rms_norm(block.child("layer_norm"), data, eps)
    inner = nn.dense(block.child("ffn_1"), data)
    if "gated_ffn_1.weight" in block:
        inner = nn.activation(act, nn.dense(block.child("gated_ffn_1"), data)) * inner
    else:
        inner = nn.activation(act, inner)
    return nn.dense(block.child("ffn_2"), inner)


def _attention(
    layer: Weights, name: str, data: Array, memory: Array, mask: Array, positions: Array
) -> Array:
    """Scores are not scaled; `positions` (heads, length, length) are added to them."""
    query = nn.dense(layer.child(f"{name}_attn_q"), data)
    key, value = (nn.dense(layer.child(f"{name}_attn_{which}"), memory) for which in "kv")
    query, key, value = (nn.split_heads(part, len(positions)) for part in (query, key, value))
    scores = query @ key.swapaxes(-1, -2) + positions
    context = nn.join_heads(nn.masked_softmax(scores, mask) @ value)
    return nn.dense(layer.child(f"{name}_attn_proj"), context)


def _relative_positions(side: Weights, length: int, both_ways: bool, max_distance: int) -> Array:
    """What is added to the scores of each head by how far the key is, (heads, length, length)."""
    table = side["relative_position_encoder._rel_pos_embed.weight"]
    steps = np.arange(length)
    return table[_buckets(steps - steps[:, None], len(table), both_ways, max_distance)].transpose(
        2, 0, 1
    )


def _buckets(distance: Array, number: int, both_ways: bool, max_distance: int) -> Array:
    """`relative_position_bucket`: distances (key from query) as rows of the table.

    Near ones have a row each, far ones share them by their logarithm, in float32 as in MXNet.
    """
    first = np.zeros_like(distance)
    if both_ways:
        number //= 2
        first = (distance > 0) * number
        distance = np.abs(distance)
    else:
        distance = np.maximum(-distance, 0)
    near = number // 2
    ratio = np.maximum(distance, 1).astype(np.float32) / np.float32(near)
    far = np.log(ratio) / np.float32(math.log(max_distance / near)) * np.float32(number - near)
    far = np.minimum(near + far.astype(np.int32), number - 1)
    row: Array = first + np.where(distance < near, distance, far)
    return row
