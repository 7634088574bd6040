"""GluonNLP 1.x RobertaModel and RobertaForMLM as master has them, and XLM-R's, in NumPy.

Source: dmlc/gluon-nlp master (14553a0) `src/gluonnlp/models/roberta.py`, and
`src/gluonnlp/models/xlmr.py`, whose classes are the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from converter.proof.reference.encoder_1x import encoder_layer
from converter.proof.reference.layers import (
    Array,
    Inputs,
    InputSpec,
    Outputs,
    Weights,
    activation,
    dense,
    layer_norm,
)


def input_spec(params: Mapping[str, Array], prefix: str) -> InputSpec:
    """The inputs that the model in `params` takes."""
    return InputSpec(max_length=len(params[f"{prefix}pos_embed._embed.weight"]), token_types=0)


def forward(
    params: Mapping[str, Array],
    prefix: str,
    inputs: Inputs,
    *,
    num_heads: int,
    activation: str,
    layer_norm_eps: float,
) -> Outputs:
    """Run the model whose `save_parameters` names are in `params`.

    Keys behind the valid length are not seen. The MLM decoder, outside the prefix, is run when its
    parameters are there; a file may have the words under the name of its last Dense alone.
    """
    model, decoder = Weights(params, prefix), Weights(params).child("mlm_decoder")
    words = model["word_embed.weight"] if "word_embed.weight" in model else decoder["3.weight"]
    data = words[inputs.input_ids]
    data = data + model["pos_embed._embed.weight"][: data.shape[1]]
    states = [layer_norm(model.child("embed_ln"), data, layer_norm_eps)]
    mask = inputs.valid()[:, None, None, :]
    for layer in model.child("encoder.all_layers").numbered("layer_norm.gamma"):
        data = encoder_layer(layer, states[-1], mask, num_heads, activation, layer_norm_eps)
        states.append(data)
    dense_outputs = model.dense_outputs
    named = {}
    if "0.weight" in decoder:
        decoder = Weights(params, decoder.prefix, dense_outputs)
        named["mlm_logits"] = _decode(decoder, words, states[-1], activation, layer_norm_eps)
    return Outputs(tuple(states), dense_outputs, named)


def _decode(decoder: Weights, words: Array, data: Array, act: str, eps: float) -> Array:
    """`mlm_decoder`: Dense, the model's activation, LayerNorm, Dense tied to the words."""
    data = layer_norm(decoder.child("2"), activation(act, dense(decoder.child("0"), data)), eps)
    logits: Array = data @ words.T + decoder["3.bias"]
    return logits
