"""GluonNLP 1.x MobileBertModel, MobileBertForMLM and MobileBertForPretrain in NumPy.

Source: autogluon_contrib_nlp 0.0.1b20220208 `models/mobilebert.py` (MobileBertEncoderLayer with
bottlenecks, trigram embeddings), `layers.py` (NoNorm, get_norm_layer).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.encoder_1x import heads_of
from converter.proof.reference.encoder_1x import input_spec as input_spec
from converter.proof.reference.layers import Array, Inputs, Outputs, Table, Weights

Norm = Callable[[Weights, Array], Array]


def forward(
    model: Weights,
    inputs: Inputs,
    *,
    num_heads: int,
    activation: str,
    normalization: str,
    layer_norm_eps: float,
    outer_layer_norm_eps: float | None = None,
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`.

    `model` is the MobileBertModel, `backbone_model` inside another class. Keys behind
    the valid length are not seen (a word sees its neighbours, though, padding too). Heads count
    when their parameters are there. `normalization`: "no_norm" or "layer_norm".
    `outer_layer_norm_eps` is that of the embeddings and of each layer's last feed-forward network;
    None is `layer_norm_eps`, as GluonNLP has it.
    """
    outer_eps = layer_norm_eps if outer_layer_norm_eps is None else outer_layer_norm_eps
    norm, outer = _norm(normalization, layer_norm_eps), _norm(normalization, outer_eps)
    states = [outer(model.child("embed_layer_norm"), _embed(model, inputs))]
    mask = inputs.valid()[:, None, None, :]
    for layer in model.child("encoder.all_layers").numbered("attn_query.weight"):
        data = states[-1]
        inner = norm(
            layer.child("in_bottleneck_ln"), nn.dense(layer.child("in_bottleneck_proj"), data)
        )
        query, key, value = _attention_inputs(layer, data, inner, norm)
        context = nn.attend(
            nn.dense(layer.child("attn_query"), query),
            nn.dense(layer.child("attn_key"), key),
            nn.dense(layer.child("attn_value"), value),
            mask,
            num_heads,
        )
        inner = norm(
            layer.child("layer_norm"), nn.dense(layer.child("attention_proj"), context) + inner
        )
        *stacked, last = layer.child("stacked_ffn").numbered("ffn_1.weight")
        for ffn in stacked:
            inner = _ffn(ffn, inner, activation, norm)
        inner = _ffn(last, inner, activation, outer)
        data = nn.dense(layer.child("out_bottleneck_proj"), inner) + data
        states.append(norm(layer.child("out_bottleneck_ln"), data))
    named = {}
    heads = heads_of(model)
    if "nsp_classifier.weight" in heads:
        named["nsp_logits"] = nn.dense(heads.child("nsp_classifier"), states[-1][:, 0])
    if "mlm_decoder.0.weight" in heads:
        named["mlm_logits"] = _mlm_logits(model, states[-1], activation, layer_norm_eps)
    return Outputs(tuple(states), named)


def _norm(normalization: str, eps: float) -> Norm:
    """`get_norm_layer`: LayerNorm, or NoNorm, which scales and shifts."""
    if normalization == "layer_norm":
        return lambda block, data: nn.layer_norm(block, data, eps)
    if normalization == "no_norm":
        return lambda block, data: data * block["gamma"] + block["beta"]
    raise ValueError(f"normalization is no_norm or layer_norm, not {normalization!r}")


def _word_embedding(model: Weights) -> Table:
    """(vocabulary, embedding size); the head's last Dense may hold it alone."""
    if "word_embed.weight" in model:
        return model.table("word_embed.weight")
    return heads_of(model).table("embedding_table.weight")


def _embed(model: Weights, inputs: Inputs) -> Array:
    """Each word with its right and its left neighbour, projected; types and positions added."""
    ids = inputs.input_ids
    words = _word_embedding(model).rows(ids)
    nothing = np.zeros_like(words[:, :1])
    right = np.concatenate([words[:, 1:], nothing], axis=1)
    left = np.concatenate([nothing, words[:, :-1]], axis=1)
    data = nn.dense(
        model.child("embed_factorized_proj"), np.concatenate([right, words, left], axis=-1)
    )
    types = np.zeros_like(ids) if inputs.token_types is None else inputs.token_types
    data = data + model["token_type_embed.weight"][types]
    return data + model["token_pos_embed._embed.weight"][: ids.shape[1]]


def _attention_inputs(
    layer: Weights, data: Array, inner: Array, norm: Norm
) -> tuple[Array, Array, Array]:
    """What query, key and value are made of: `qk_sharing`, or else `from_bottleneck`."""
    if "shared_qk.weight" in layer:
        shared = norm(layer.child("shared_qk_ln"), nn.dense(layer.child("shared_qk"), data))
        return shared, shared, data
    return inner, inner, inner


def _ffn(ffn: Weights, data: Array, act: str, norm: Norm) -> Array:
    """PositionwiseFFN with the model's own kind of normalisation."""
    inner = nn.activation(act, nn.dense(ffn.child("ffn_1"), data))
    return norm(ffn.child("layer_norm"), nn.dense(ffn.child("ffn_2"), inner) + data)


def _mlm_logits(model: Weights, data: Array, act: str, eps: float) -> Array:
    """Dense, activation, LayerNorm; the words' table scores the first units, another the rest."""
    heads = heads_of(model)
    decoder = heads.child("mlm_decoder")
    data = nn.activation(act, nn.dense(decoder.child("0"), data))
    data = nn.layer_norm(decoder.child("2"), data, eps)
    words = _word_embedding(model)
    scores: Array = words.scores(data[..., : words.units]) + heads["embedding_table.bias"]
    scores = scores + data[..., words.units :] @ heads["extra_table.weight"].T
    return scores
