"""GluonNLP 1.x BERT, ALBERT and ELECTRA in NumPy, and what other encoders of 1.x share with them.

Source: autogluon_contrib_nlp 0.0.1b20220208 `models/transformer.py` (TransformerEncoderLayer, post
norm; dmlc/gluon-nlp master 14553a0 has the same), `models/bert.py` (BertModel, BertForMLM,
BertForPretrain), `models/albert.py` (AlbertModel, AlbertForMLM, AlbertForPretrain),
`models/electra.py` (ElectraModel, ElectraDiscriminator, ElectraGenerator): the three have the same
embeddings and MLM decoder. PositionwiseFFN, LayerNorm and the attention are those of 0.x.
"""

from __future__ import annotations

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Array, Inputs, InputSpec, Outputs, Table, Weights


def forward(
    model: Weights,
    inputs: Inputs,
    *,
    num_heads: int,
    activation: str,
    layer_norm_eps: float,
    num_layers: int = 0,
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`.

    `model` is the backbone, `backbone_model` inside another class. Keys behind the valid length are
    not seen. Pooler and heads count when their parameters are there. The `num_layers` layers of
    ALBERT are shared out among the groups in the file, one after the other.
    """
    data = nn.layer_norm(model.child("embed_layer_norm"), embed(model, inputs), layer_norm_eps)
    states = [project(model, data)]
    mask = inputs.valid()[:, None, None, :]
    encoder = model.child("encoder")
    layers = encoder.child("all_layers").numbered("attn_qkv.weight")
    layers += encoder.child("all_encoder_layers").numbered("attn_qkv.weight")
    if groups := encoder.child("all_encoder_groups").numbered("attn_qkv.weight"):
        layers = [groups[n // (num_layers // len(groups))] for n in range(num_layers)]
    for layer in layers:
        states.append(encoder_layer(layer, states[-1], mask, num_heads, activation, layer_norm_eps))
    heads, named = heads_of(model), dict[str, Array]()
    if "pooler.weight" in model:
        named["pooled"] = np.tanh(nn.dense(model.child("pooler"), states[-1][:, 0]))
    for head in ("nsp", "sop"):
        if f"{head}_classifier.weight" in heads:
            named[f"{head}_logits"] = nn.dense(heads.child(f"{head}_classifier"), named["pooled"])
    if "rtd_encoder.0.weight" in heads:
        decoder = heads.child("rtd_encoder")
        data = nn.activation(activation, nn.dense(decoder.child("0"), states[-1]))
        named["rtd_logits"] = nn.dense(decoder.child("2"), data)[..., 0]
    if "mlm_decoder.0.weight" in heads:
        named["mlm_logits"] = mlm_logits(
            model, states[-1], inputs.valid(), activation, layer_norm_eps
        )
    return Outputs(tuple(states), named)


def input_spec(model: Weights) -> InputSpec:
    """The inputs that a model with positions and token types takes."""
    return InputSpec(
        max_length=len(model["token_pos_embed._embed.weight"]),
        token_types=len(model["token_type_embed.weight"]),
    )


def heads_of(model: Weights) -> Weights:
    """What is beside the backbone: the names of a head do not go through `backbone_model`."""
    return Weights(model.params, model.prefix.removesuffix("backbone_model."), model.dense_outputs)


def word_embedding(model: Weights) -> Table:
    """(vocabulary, embedding size); the MLM decoder's last Dense may hold it alone."""
    if "word_embed.weight" in model:
        return model.table("word_embed.weight")
    return heads_of(model).table("mlm_decoder.3.weight")


def embed(model: Weights, inputs: Inputs) -> Array:
    """Words, token types and positions, summed: (batch, length, embedding size)."""
    ids = inputs.input_ids
    types = np.zeros_like(ids) if inputs.token_types is None else inputs.token_types
    data = word_embedding(model).rows(ids) + model["token_type_embed.weight"][types]
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


def mlm_logits(model: Weights, data: Array, valid: Array, act: str, eps: float) -> Array:
    """`mlm_decoder`: Dense, the model's activation, LayerNorm, Dense tied to the words."""
    decoder = heads_of(model).child("mlm_decoder")
    data = nn.activation(act, nn.dense(decoder.child("0"), data))
    data = nn.layer_norm(decoder.child("2"), data, eps)
    return word_embedding(model).valid_scores(data, valid, decoder["3.bias"])
