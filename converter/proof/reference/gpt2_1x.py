"""GluonNLP 1.x GPT2Model and GPT2ForLM in NumPy.

Source: dmlc/gluon-nlp master (14553a0) `src/gluonnlp/models/gpt2.py` (GPT2Model, GPT2Layer,
GPT2SelfAttentionLayer, GPT2FFN, GPT2ForLM).
"""

from __future__ import annotations

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Array, Inputs, InputSpec, Outputs, Weights


def input_spec(model: Weights) -> InputSpec:
    """The inputs that the model takes."""
    return InputSpec(max_length=len(model["_pos_embed._embed.weight"]), token_types=0)


def forward(
    model: Weights, inputs: Inputs, *, num_heads: int, activation: str, layer_norm_eps: float
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`, without previous states.

    A position sees itself and those before it, so padding behind the valid length is not seen.
    The last of the hidden states is what the final LayerNorm gives, as in Transformers. GPT2ForLM
    (`_lm_head`, which shares its parameter with the words) gives `lm_logits` too.
    """
    outer, head = model.outer, "_lm_head.weight"
    embedding = model["_embed.weight"] if "_embed.weight" in model else outer[head]
    length = inputs.input_ids.shape[1]
    states = [embedding[inputs.input_ids] + model["_pos_embed._embed.weight"][:length]]
    mask = np.tri(length, dtype=bool)
    for layer in model.child("_layers").numbered("atten.ln.gamma"):
        data = states[-1]
        data = data + _attention(layer.child("atten"), data, mask, num_heads, layer_norm_eps)
        states.append(data + _ffn(layer.child("ffn"), data, activation, layer_norm_eps))
    states[-1] = nn.layer_norm(model.child("_final_ln"), states[-1], layer_norm_eps)
    named = {"lm_logits": states[-1] @ outer[head].T} if head in outer else {}
    return Outputs(tuple(states), model.dense_outputs, named)


def _attention(layer: Weights, data: Array, mask: Array, num_heads: int, eps: float) -> Array:
    """GPT2SelfAttentionLayer: it norms first; query, key and value in one Dense."""
    projected = nn.dense(layer.child("qkv"), nn.layer_norm(layer.child("ln"), data, eps))
    query, key, value = np.split(projected, 3, axis=-1)
    return nn.dense(layer.child("out_proj"), nn.attend(query, key, value, mask, num_heads))


def _ffn(layer: Weights, data: Array, act: str, eps: float) -> Array:
    """GPT2FFN without the residual."""
    inner = nn.dense(layer.child("ffn_1"), nn.layer_norm(layer.child("layer_norm"), data, eps))
    return nn.dense(layer.child("ffn_2"), nn.activation(act, inner))
