"""GluonNLP 0.x XLNet in NumPy, without memory: every position sees every other (`bi`).

Source: GluonNLP v0.10.0 `scripts/language_model/transformer/transformer.py` (XLNet, _BaseXLNet,
XLNetCell, PositionalEmbedding) and `attention_cell.py`
(RelativeSegmentEmbeddingPositionalEmbeddingMultiHeadAttentionCell). GluonNLP has no query stream
("Not yet implemented"), and keeps its `mask_embed`: that stream is as in zihangdai/xlnet (bbaa3a6)
`modeling.py`, two_stream_rel_attn.
"""

from __future__ import annotations

import math

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Array, Inputs, InputSpec, Outputs, Weights

LENGTH = 150  # past any clamp of distances that a config might carry unnoticed


def input_spec(model: Weights) -> InputSpec:
    """Any length; two segments suffice, since the model asks only whether two are the same."""
    return InputSpec(max_length=None, token_types=2, length=LENGTH, batch=2, query_stream=True)


def forward(
    model: Weights,
    inputs: Inputs,
    *,
    activation: str,
    layer_norm_eps: float,
) -> Outputs:
    """Run the model whose `save_parameters` names, below `_net.`, are in `model`.

    Keys behind the valid length are not seen (as `XLNetClassifier` masks
    them); a decoder is run when its parameters are there.
    """

    def cells(model: Weights) -> list[Weights]:
        return model.child("transformer_cells").numbered("proj.weight")

    def run(cell: Weights, data: Array, memory: Array, *where: Array) -> Array:
        """XLNetCell."""
        context = _attention(cell.child("attention_cell"), data, memory, *where)
        data = nn.dense(cell.child("proj"), context) + data
        data = nn.layer_norm(cell.child("layer_norm"), data, layer_norm_eps)
        return nn.positionwise_ffn(cell.child("ffn"), data, activation, layer_norm_eps)

    def query_stream(model: Weights, predicted: Array) -> Array:
        """What the model makes of its mask at every position, not seeing the predicted words."""
        length = predicted.shape[1]
        seen = mask[..., :length] & ~predicted[:, None, None, :]
        where = _distances(model, length), elsewhere[:, :, :length, :length]
        content = states[0][:, :length]
        query = np.broadcast_to(model["mask_embed"], content.shape)
        for cell in cells(model):
            itself = seen | np.eye(length, dtype=bool)
            query, content = (
                run(cell, query, content, *where, seen),
                run(cell, content, content, *where, itself),
            )
        return query

    names = "word_embed.weight", "decoder.weight"  # where it is tied, either may hold both
    states = [model.table(*names).rows(inputs.input_ids)]
    distances = _distances(model, inputs.input_ids.shape[1])
    types = np.zeros_like(inputs.input_ids) if inputs.token_types is None else inputs.token_types
    elsewhere = (types[:, :, None] != types[:, None, :])[:, None]  # (batch, 1, query, key)
    mask = inputs.valid()[:, None, None, :]
    for cell in cells(model):
        states.append(run(cell, states[-1], states[-1], distances, elsewhere, mask))
    named = {}
    if inputs.predicted is not None:
        named["query_stream"] = query_stream(Weights(model.params, model.prefix), inputs.predicted)
    if "decoder.bias" in model:
        named["lm_logits"] = model.table(*names[::-1]).scores(states[-1]) + model["decoder.bias"]
    return Outputs(tuple(states), named)


def _distances(model: Weights, length: int) -> Array:
    """PositionalEmbedding of the distances `length` to `1 - length`, (2 length, units)."""
    angles = np.arange(length, -length, -1, dtype=np.float32)[:, None] * model["pos_embed.inv_freq"]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def _attention(
    cell: Weights, data: Array, memory: Array, distances: Array, elsewhere: Array, mask: Array
) -> Array:
    """Scores by content, by distance and by whether query and key are of one segment.

    `data` asks, and `memory`, of the same shape, answers.
    """
    num_heads, width = cell["query_key_bias"].shape
    length = data.shape[1]

    def project(name: str, data: Array) -> Array:
        return nn.split_heads(nn.dense(cell.child(f"proj_{name}"), data), num_heads)

    def query_with(bias: str) -> Array:
        return query + cell[bias][:, None]

    query = project("query", data)
    key, value = (project(name, memory) for name in ("key", "value"))
    content = query_with("query_key_bias") @ key.swapaxes(-1, -2)
    by_distance = query_with("query_emb_bias") @ project("emb", distances[None]).swapaxes(-1, -2)
    steps = np.arange(length)
    row_of_distance = length - (steps[:, None] - steps[None, :])  # of the query from the key
    position = np.take_along_axis(by_distance, row_of_distance[None, None], axis=-1)
    of_segments = query_with("query_seg_bias") @ cell["seg_emb"].transpose(1, 2, 0)
    segment = np.where(elsewhere, of_segments[..., 1:], of_segments[..., :1])
    scores = (content + position + segment) / np.float32(math.sqrt(width))
    return nn.join_heads(nn.masked_softmax(scores, mask) @ value)
