"""GluonNLP 0.x GPT2Model in NumPy.

Source: GluonNLP v0.10.0 `scripts/text_generation/model/gpt.py` (GPT2Model, GPT2SelfAttentionLayer,
GPT2FFNLayer); v0.8.3 differs in its GELU alone. LayerNorm's epsilon is MXNet's default, 1e-5.
"""

from __future__ import annotations

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Array, Inputs, InputSpec, Outputs, Weights


def input_spec(model: Weights) -> InputSpec:
    """The inputs that the model takes."""
    return InputSpec(max_length=len(model["_pos_embed.weight"]), token_types=0)


def forward(
    model: Weights, inputs: Inputs, *, num_heads: int, activation: str, layer_norm_eps: float
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`, without previous states.

    A position sees itself and those before it, so padding behind the valid length is not seen.
    The last of the hidden states is what the final LayerNorm gives, as in Transformers.
    """
    length = inputs.input_ids.shape[1]
    embedding = model["_embed.weight" if "_embed.weight" in model else "_logits_proj.weight"]
    states = [embedding[inputs.input_ids] + model["_pos_embed.weight"][:length]]
    mask = np.tri(length, dtype=bool)
    attention = model.child("_self_attention_layers").numbered("_out_proj.weight")
    for number, attention_layer in enumerate(attention):
        data = states[-1]
        normed = nn.layer_norm(model.child(f"_attn_ln.{number}"), data, layer_norm_eps)
        data = data + _self_attention(attention_layer, normed, mask, num_heads)
        normed = nn.layer_norm(model.child(f"_ffn_ln.{number}"), data, layer_norm_eps)
        states.append(data + _ffn(model.child(f"_ffn_layers.{number}"), normed, activation))
    states[-1] = nn.layer_norm(model.child("_final_ln"), states[-1], layer_norm_eps)
    return Outputs(tuple(states), model.dense_outputs, {"lm_logits": states[-1] @ embedding.T})


def _self_attention(layer: Weights, data: Array, mask: Array, num_heads: int) -> Array:
    """GPT2SelfAttentionLayer: query, key and value in one Dense, one after the other."""
    projected = nn.dense(layer.child("_multi_head_qkv_proj"), data)
    query, key, value = np.split(projected, 3, axis=-1)
    return nn.dense(layer.child("_out_proj"), nn.attend(query, key, value, mask, num_heads))


def _ffn(layer: Weights, data: Array, act: str) -> Array:
    """GPT2FFNLayer."""
    inner = nn.activation(act, nn.dense(layer.child("_hidden_map"), data))
    return nn.dense(layer.child("_out_map"), inner)
