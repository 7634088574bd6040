"""What GluonNLP 1.x's encoders have in common, in NumPy, float32.

Source: autogluon_contrib_nlp 0.0.1b20220208 `models/transformer.py` (TransformerEncoderLayer, post
norm; dmlc/gluon-nlp master 14553a0 has the same), `models/bert.py`
(BertModel.get_initial_embedding, BertForMLM.mlm_decoder), which `models/albert.py` and
`models/electra.py` have the same. PositionwiseFFN, LayerNorm and the attention are those of 0.x.
"""

from __future__ import annotations

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Array, Inputs, InputSpec, Weights


def input_spec(model: Weights) -> InputSpec:
    """The inputs that a model with positions and token types takes."""
    return InputSpec(
        max_length=len(model["token_pos_embed._embed.weight"]),
        token_types=len(model["token_type_embed.weight"]),
    )


def heads_of(model: Weights) -> Weights:
    """What is beside the backbone: the names of a head do not go through `backbone_model`."""
    return Weights(model.params, model.prefix.removesuffix("backbone_model."), model.dense_outputs)


def word_embedding(model: Weights) -> Array:
    """(vocabulary, embedding size); the MLM decoder's last Dense may hold it alone."""
    if "word_embed.weight" in model:
        return model["word_embed.weight"]
    return heads_of(model)["mlm_decoder.3.weight"]


def embed(model: Weights, inputs: Inputs) -> Array:
    """Words, token types and positions, summed: (batch, length, embedding size)."""
    ids = inputs.input_ids
    types = np.zeros_like(ids) if inputs.token_types is None else inputs.token_types
    data = word_embedding(model)[ids] + model["token_type_embed.weight"][types]
    return data + model["token_pos_embed._embed.weight"][: ids.shape[1]]


def project(model: Weights, data: Array) -> Array:
    """`embed_factorized_proj`, which is absent where embedding size and units are equal."""
    block = model.child("embed_factorized_proj")
    return nn.dense(block, data) if "weight" in block else data


def encoder_layer(
    layer: Weights, data: Array, mask: Array, num_heads: int, act: str, eps: float
) -> Array:
    """TransformerEncoderLayer: query, key and value in one Dense, one after the other.

    data (batch, length, units); mask, like (batch, 1, 1, length), is True where a key may be seen.
    """
    query, key, value = np.split(nn.dense(layer.child("attn_qkv"), data), 3, axis=-1)
    context = nn.attend(query, key, value, mask, num_heads)
    data = nn.layer_norm(
        layer.child("layer_norm"), nn.dense(layer.child("attention_proj"), context) + data, eps
    )
    return nn.positionwise_ffn(layer.child("ffn"), data, act, eps)


def mlm_logits(model: Weights, data: Array, act: str, eps: float) -> Array:
    """`mlm_decoder`: Dense, the model's activation, LayerNorm, Dense tied to the words."""
    decoder = heads_of(model).child("mlm_decoder")
    data = nn.activation(act, nn.dense(decoder.child("0"), data))
    data = nn.layer_norm(decoder.child("2"), data, eps)
    return data @ word_embedding(model).T + decoder["3.bias"]
