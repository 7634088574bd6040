"""GluonNLP 0.x BERTModel and what is built on it, in NumPy.

Sources: GluonNLP v0.8.3 `model/bert.py` (BERTModel, RoBERTaModel, BERTEncoder, BERTEncoderCell),
`model/transformer.py` (BaseTransformerEncoder, BaseTransformerEncoderCell, BasePositionwiseFFN);
v0.10.0 `model/bert.py` (DistilBERTModel, BERTClassifier, RoBERTaClassifier), which gives the same
numbers; v0.9.2 `model/bert.py` (DotProductSelfAttentionCell), which does not. Heads: `heads.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.heads import run_heads
from converter.proof.reference.layers import Array, Inputs, InputSpec, Outputs, Table, Weights


def input_spec(model: Weights) -> InputSpec:
    """The inputs that the model takes."""
    types = "token_type_embed.0.weight"
    return InputSpec(
        max_length=len(model["encoder.position_weight"]),
        token_types=len(model[types]) if types in model else 0,
    )


def forward(
    model: Weights,
    inputs: Inputs,
    *,
    num_heads: int,
    activation: str,
    layer_norm_eps: float,
    decoder_layer_norm_eps: float,
    embedding_layer_norm_eps: float | None = None,
    attention_biases: str = "plain",
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`.

    Keys behind the valid length are not seen. Positions behind it carry numbers that mean nothing
    (GluonNLP zeroes them). Token types, pooler, decoder and heads count when their parameters are
    there. `embedding_layer_norm_eps`: None is `layer_norm_eps`; 1e-12 in 0.9.0 and 0.9.1.
    `attention_biases`: "scrambled" as 0.9.0 to 0.9.2 did, see `_biases`.
    """
    # The embedding and the decoder's last Dense share one parameter: either name holds it
    embedding = model.table("word_embed.0.weight", "decoder.3.weight")
    data = embedding.rows(inputs.input_ids)
    if "token_type_embed.0.weight" in model:
        types = (
            np.zeros_like(inputs.input_ids) if inputs.token_types is None else inputs.token_types
        )
        data = data + model["token_type_embed.0.weight"][types]

    mask = inputs.valid()[:, None, None, :]

    def cell(block: Weights, data: Array) -> Array:
        context = _self_attention(
            block.child("attention_cell"), data, mask, num_heads, attention_biases
        )
        data = nn.dense(block.child("proj"), context) + data
        data = nn.layer_norm(block.child("layer_norm"), data, layer_norm_eps)
        return nn.positionwise_ffn(block.child("ffn"), data, activation, layer_norm_eps)

    eps = layer_norm_eps if embedding_layer_norm_eps is None else embedding_layer_norm_eps
    hidden = _encode(model.child("encoder"), data, eps, cell)
    named = {}
    if "pooler.weight" in model:
        named["pooled"] = np.tanh(nn.dense(model.child("pooler"), hidden[-1][:, 0]))
    if "classifier.weight" in model:  # on the BERTModel itself: next sentence prediction
        named["nsp_logits"] = nn.dense(model.child("classifier"), named["pooled"])
    if "decoder.0.weight" in model:
        named["mlm_logits"] = _decode(
            model.child("decoder"), embedding, hidden[-1], inputs.valid(), decoder_layer_norm_eps
        )
    run_heads(model.outer, hidden[-1], named)
    return Outputs(tuple(hidden), named)


def _encode(
    encoder: Weights, data: Array, eps: float, cell: Callable[[Weights, Array], Array]
) -> list[Array]:
    """BERTEncoder: positions, LayerNorm, then the cells; the normed embeddings come first."""
    data = data + encoder["position_weight"][: data.shape[1]]
    states = [nn.layer_norm(encoder.child("layer_norm"), data, eps)]
    for block in encoder.child("transformer_cells").numbered("proj.weight"):
        states.append(cell(block, states[-1]))
    return states


def _self_attention(cell: Weights, data: Array, mask: Array, num_heads: int, layout: str) -> Array:
    """`MultiHeadAttentionCell`, or from 0.9 on `DotProductSelfAttentionCell`.

    data (batch, length, units); mask (batch, 1, 1, length) is True where a key may be seen.
    """
    biases = _biases(cell, num_heads, layout)
    query, key, value = (nn.dense(cell.child(name), data, biases[name]) for name in biases)
    return nn.attend(query, key, value, mask, num_heads)


def _biases(cell: Weights, num_heads: int, layout: str) -> dict[str, Array]:
    """The biases of query, key and value, each (units,).

    0.9.0 to 0.9.2 laid query, key and value weights out head by head but concatenated the biases
    as they are, so that each head took biases from another place; 0.10.0 (#1296) put that right.
    """
    names = ("proj_query", "proj_key", "proj_value")
    biases = [cell[f"{name}.bias"] for name in names]
    if layout == "scrambled":
        by_head = np.concatenate(biases).reshape(num_heads, 3, -1)
        biases = [by_head[:, number].ravel() for number in range(3)]
    elif layout != "plain":
        raise ValueError(f"attention_biases are plain or scrambled, not {layout!r}")
    return dict(zip(names, biases, strict=True))


def _decode(decoder: Weights, embedding: Table, data: Array, valid: Array, eps: float) -> Array:
    """The MLM decoder: Dense, GELU whatever the encoder uses, LayerNorm, Dense tied to words."""
    data = nn.activation("gelu", nn.dense(decoder.child("0"), data))
    data = nn.layer_norm(decoder.child("2"), data, eps)
    return embedding.valid_scores(data, valid, decoder["3.bias"])
