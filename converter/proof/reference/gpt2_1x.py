"""GluonNLP 1.x GPT2Model and GPT2ForLM in NumPy.

Source: dmlc/gluon-nlp master (14553a0) `src/gluonnlp/models/gpt2.py` (GPT2Model, GPT2Layer,
GPT2SelfAttentionLayer, GPT2FFN, GPT2ForLM).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converter.proof.reference.layers import (
    Array,
    Inputs,
    InputSpec,
    Outputs,
    Weights,
    activation,
    attend,
    dense,
    layer_norm,
)


def input_spec(params: Mapping[str, Array], prefix: str) -> InputSpec:
    """The inputs that the model in `params` takes."""
    return InputSpec(max_length=len(params[f"{prefix}_pos_embed._embed.weight"]), token_types=0)


def forward(
    params: Mapping[str, Array],
    prefix: str,
    inputs: Inputs,
    *,
    num_heads: int,
    activation: str,
    layer_norm_eps: float,
) -> Outputs:
    """Run the model whose `save_parameters` names are in `params`, without previous states.

    A position sees itself and those before it, so padding behind the valid length is not seen.
    The last of the hidden states is what the final LayerNorm gives, as in Transformers. GPT2ForLM
    (`_lm_head`, which shares its parameter with the words) gives `lm_logits` too.
    """
    model, outer = Weights(params, prefix), Weights(params)
    head = "_lm_head.weight"
    embedding = model["_embed.weight"] if "_embed.weight" in model else outer[head]
    length = inputs.input_ids.shape[1]
    states = [embedding[inputs.input_ids] + model["_pos_embed._embed.weight"][:length]]
    mask = np.tri(length, dtype=bool)
    for layer in model.child("_layers").numbered("atten.ln.gamma"):
        data = states[-1]
        data = data + _attention(layer.child("atten"), data, mask, num_heads, layer_norm_eps)
        states.append(data + _ffn(layer.child("ffn"), data, activation, layer_norm_eps))
    states[-1] = layer_norm(model.child("_final_ln"), states[-1], layer_norm_eps)
    named = {"lm_logits": states[-1] @ outer[head].T} if head in outer else {}
    return Outputs(tuple(states), model.dense_outputs, named)


def _attention(layer: Weights, data: Array, mask: Array, num_heads: int, eps: float) -> Array:
    """GPT2SelfAttentionLayer: it norms first; query, key and value in one Dense."""
    projected = dense(layer.child("qkv"), layer_norm(layer.child("ln"), data, eps))
    query, key, value = np.split(projected, 3, axis=-1)
    return dense(layer.child("out_proj"), attend(query, key, value, mask, num_heads))


def _ffn(layer: Weights, data: Array, act: str, eps: float) -> Array:
    """GPT2FFN without the residual."""
    inner = dense(layer.child("ffn_1"), layer_norm(layer.child("layer_norm"), data, eps))
    return dense(layer.child("ffn_2"), activation(act, inner))
