"""GluonNLP 1.x BertModel, BertForMLM and BertForPretrain in NumPy.

Source: autogluon_contrib_nlp 0.0.1b20220208 `models/bert.py`.
"""

from __future__ import annotations

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.encoder_1x import embed, encoder_layer, heads_of, mlm_logits
from converter.proof.reference.encoder_1x import input_spec as input_spec
from converter.proof.reference.layers import Inputs, Outputs, Weights


def forward(
    model: Weights, inputs: Inputs, *, num_heads: int, activation: str, layer_norm_eps: float
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`.

    `model` is the BertModel, `backbone_model` inside another class. Keys behind the
    valid length are not seen. Pooler and heads count when their parameters are there.
    """
    data = nn.layer_norm(model.child("embed_layer_norm"), embed(model, inputs), layer_norm_eps)
    states = [data]
    mask = inputs.valid()[:, None, None, :]
    for layer in model.child("encoder.all_layers").numbered("attn_qkv.weight"):
        states.append(encoder_layer(layer, states[-1], mask, num_heads, activation, layer_norm_eps))
    named = {}
    heads = heads_of(model)
    if "pooler.weight" in model:
        named["pooled"] = np.tanh(nn.dense(model.child("pooler"), states[-1][:, 0]))
    if "nsp_classifier.weight" in heads:
        named["nsp_logits"] = nn.dense(heads.child("nsp_classifier"), named["pooled"])
    if "mlm_decoder.0.weight" in heads:
        named["mlm_logits"] = mlm_logits(model, states[-1], activation, layer_norm_eps)
    return Outputs(tuple(states), model.dense_outputs, named)
