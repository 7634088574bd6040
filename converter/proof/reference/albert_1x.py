"""GluonNLP 1.x AlbertModel, AlbertForMLM and AlbertForPretrain in NumPy.

Source: autogluon_contrib_nlp 0.0.1b20220208 `models/albert.py`.
"""

from __future__ import annotations

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.encoder_1x import embed, encoder_layer, heads_of, mlm_logits, project
from converter.proof.reference.encoder_1x import input_spec as input_spec
from converter.proof.reference.layers import Inputs, Outputs, Weights


def forward(
    model: Weights,
    inputs: Inputs,
    *,
    num_heads: int,
    num_layers: int,
    activation: str,
    layer_norm_eps: float,
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`.

    `model` is the AlbertModel, `backbone_model` inside another class. Keys behind the
    valid length are not seen. Pooler and heads count when their parameters are there. The
    `num_layers` layers are shared out among the groups in the file, one after the other.
    """
    data = nn.layer_norm(model.child("embed_layer_norm"), embed(model, inputs), layer_norm_eps)
    states = [project(model, data)]
    mask = inputs.valid()[:, None, None, :]
    groups = model.child("encoder.all_encoder_groups").numbered("attn_qkv.weight")
    for number in range(num_layers):
        group = groups[number // (num_layers // len(groups))]
        states.append(encoder_layer(group, states[-1], mask, num_heads, activation, layer_norm_eps))
    named = {}
    heads = heads_of(model)
    if "pooler.weight" in model:
        named["pooled"] = np.tanh(nn.dense(model.child("pooler"), states[-1][:, 0]))
    if "sop_classifier.weight" in heads:
        named["sop_logits"] = nn.dense(heads.child("sop_classifier"), named["pooled"])
    if "mlm_decoder.0.weight" in heads:
        named["mlm_logits"] = mlm_logits(model, states[-1], activation, layer_norm_eps)
    return Outputs(tuple(states), model.dense_outputs, named)
