"""GluonNLP 1.x BartModel in NumPy.

Source: dmlc/gluon-nlp master (14553a0) `src/gluonnlp/models/bart.py` (BartModel),
`src/gluonnlp/models/transformer.py` (TransformerModel, TransformerEncoder, TransformerDecoder) with
`data_norm=True`, `scale_embed=False` and learned positions.
"""

from __future__ import annotations

from converter.proof.reference import layers as nn
from converter.proof.reference.encoder_1x import encoder_layer
from converter.proof.reference.layers import Array, Inputs, InputSpec, Outputs, Weights
from converter.proof.reference.transformer_1x import decoder_layer


def input_spec(model: Weights) -> InputSpec:
    """The inputs that the model takes."""
    sides = (f"{side}_pos_embed_layer._embed.weight" for side in ("src", "tgt"))
    return InputSpec(max_length=min(len(model[s]) for s in sides), token_types=0, decoder=True)


def forward(
    model: Weights,
    inputs: Inputs,
    *,
    encoder_heads: int,
    decoder_heads: int,
    activation: str,
    layer_norm_eps: float,
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`; `inputs` has decoder ids.

    Positions of the encoder behind the valid length are not seen. Of names that share one
    parameter, a file may have the last alone: the words', or the final layer's.
    """
    if inputs.decoder_ids is None:
        raise ValueError("BartModel needs decoder_ids")
    decoder_ids = inputs.decoder_ids
    eps = layer_norm_eps
    names = ("src_embed_layer.weight", "tgt_embed_layer.weight", "tgt_final_layer.weight")

    def embed(side: Weights, table: nn.Table, positions: str, ids: Array) -> Array:
        data = table.rows(ids) + model[f"{positions}._embed.weight"][: ids.shape[1]]
        return nn.layer_norm(side.child("ln_data"), data, eps)

    mask = inputs.valid()[:, None, None, :]
    encoder, decoder = model.child("encoder"), model.child("decoder")
    states = [embed(encoder, model.table(*names), "src_pos_embed_layer", inputs.input_ids)]
    for layer in encoder.child("layers").numbered("layer_norm.gamma"):
        states.append(encoder_layer(layer, states[-1], mask, encoder_heads, activation, eps))
    seen = [embed(decoder, model.table(*names[1:]), "tgt_pos_embed_layer", decoder_ids)]
    for layer in decoder.child("layers").numbered("ln_in.gamma"):
        data = decoder_layer(layer, seen[-1], states[-1], mask, decoder_heads, activation, eps)
        seen.append(data)
    named = {"lm_logits": model.table(names[-1]).scores(seen[-1])}
    return Outputs(tuple(states), named, tuple(seen))
