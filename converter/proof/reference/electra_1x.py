"""GluonNLP 1.x ElectraModel, ElectraDiscriminator and ElectraGenerator in NumPy.

Source: autogluon_contrib_nlp 0.0.1b20220208 `models/electra.py`.
"""

from __future__ import annotations

from converter.proof.reference import layers as nn
from converter.proof.reference.encoder_1x import embed, encoder_layer, heads_of, mlm_logits, project
from converter.proof.reference.encoder_1x import input_spec as input_spec
from converter.proof.reference.layers import Inputs, Outputs, Weights


def forward(
    model: Weights, inputs: Inputs, *, num_heads: int, activation: str, layer_norm_eps: float
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`.

    `model` is the ElectraModel, `backbone_model` inside another class. Keys behind the
    valid length are not seen. Heads count when their parameters are there.
    """
    data = nn.layer_norm(model.child("embed_layer_norm"), embed(model, inputs), layer_norm_eps)
    states = [project(model, data)]
    mask = inputs.valid()[:, None, None, :]
    for layer in model.child("encoder.all_encoder_layers").numbered("attn_qkv.weight"):
        states.append(encoder_layer(layer, states[-1], mask, num_heads, activation, layer_norm_eps))
    named = {}
    heads = heads_of(model)
    if "rtd_encoder.0.weight" in heads:
        head = heads.child("rtd_encoder")
        data = nn.activation(activation, nn.dense(head.child("0"), states[-1]))
        named["rtd_logits"] = nn.dense(head.child("2"), data)[..., 0]
    if "mlm_decoder.0.weight" in heads:
        named["mlm_logits"] = mlm_logits(model, states[-1], activation, layer_norm_eps)
    return Outputs(tuple(states), model.dense_outputs, named)
