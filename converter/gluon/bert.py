"""GluonNLP 0.x BERTModel and what is built on it, in NumPy.

Sources: GluonNLP v0.8.3 `model/bert.py` (BERTModel, BERTEncoder, BERTEncoderCell),
`model/transformer.py` (BaseTransformerEncoder, BaseTransformerEncoderCell, BasePositionwiseFFN);
alexa/bort `bort/bort.py` (BortModel, BortClassifier). GluonNLP v0.10.0 gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converter.gluon.layers import (
    Array,
    Domain,
    Inputs,
    Outputs,
    Weights,
    activation,
    dense,
    layer_norm,
    self_attention,
)


def domain(params: Mapping[str, Array], prefix: str) -> Domain:
    """The inputs that the model in `params` takes."""
    return Domain(len(params[f"{prefix}encoder.position_weight"]), 0)


def forward(
    params: Mapping[str, Array],
    prefix: str,
    inputs: Inputs,
    *,
    num_heads: int,
    activation: str,
    layer_norm_eps: float,
    decoder_layer_norm_eps: float,
) -> Outputs:
    """Run the model whose `save_parameters` names are in `params`.

    Keys behind the valid length are not seen. Positions behind it carry numbers that mean nothing
    (GluonNLP zeroes them). A decoder and a classifier are run when their parameters are there.
    """
    model = Weights(params, prefix)
    embedding = _word_embedding(model)
    hidden = _encode(
        model.child("encoder"),
        embedding[inputs.input_ids],
        inputs,
        num_heads,
        activation,
        layer_norm_eps,
    )
    outputs = hidden[-1]
    named = {}
    if "decoder.0.weight" in model:
        named["mlm_logits"] = _decode(
            model.child("decoder"), embedding, outputs, decoder_layer_norm_eps
        )
    classifier = [name for name in params if name.startswith("classifier.")]
    if classifier:
        head = Weights(params, "classifier.", model.taps)
        first, last = sorted({int(name.split(".")[1]) for name in classifier})
        named["pooled"] = np.tanh(dense(head.child(str(first)), outputs[:, 0]))
        named["logits"] = dense(head.child(str(last)), named["pooled"])
    return Outputs(tuple(hidden), model.taps, named)


def _word_embedding(model: Weights) -> Array:
    """The embedding and the decoder's last Dense share one parameter: either name holds it."""
    name = "word_embed.0.weight"
    return model[name if name in model else "decoder.3.weight"]


def _encode(
    encoder: Weights,
    data: Array,
    inputs: Inputs,
    num_heads: int,
    act: str,
    eps: float,
) -> list[Array]:
    """BERTEncoder: positions, LayerNorm, then the cells; the normed embeddings come first."""
    length = data.shape[1]
    data = layer_norm(encoder.child("layer_norm"), data + encoder["position_weight"][:length], eps)
    mask = inputs.valid()[:, None, None, :]
    states = [data]
    cells = encoder.child("transformer_cells")
    number = 0
    while f"{number}.proj.weight" in cells:
        states.append(
            _encoder_cell(cells.child(str(number)), states[-1], mask, num_heads, act, eps)
        )
        number += 1
    return states


def _encoder_cell(
    cell: Weights, data: Array, mask: Array, num_heads: int, act: str, eps: float
) -> Array:
    """BERTEncoderCell: attention, then the position-wise FFN; each adds its input, then norms."""
    context = self_attention(cell.child("attention_cell"), data, mask, num_heads)
    data = layer_norm(cell.child("layer_norm"), dense(cell.child("proj"), context) + data, eps)
    ffn = cell.child("ffn")
    inner = activation(act, dense(ffn.child("ffn_1"), data))
    return layer_norm(ffn.child("layer_norm"), dense(ffn.child("ffn_2"), inner) + data, eps)


def _decode(decoder: Weights, embedding: Array, data: Array, eps: float) -> Array:
    """The MLM decoder: Dense, GELU whatever the encoder uses, LayerNorm, Dense tied to words."""
    data = activation("gelu", dense(decoder.child("0"), data))
    data = layer_norm(decoder.child("2"), data, eps)
    return data @ embedding.T + decoder["3.bias"]
