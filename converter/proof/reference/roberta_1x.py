"""GluonNLP 1.x RobertaModel as autogluon_contrib_nlp has it, in NumPy.

Source: autogluon_contrib_nlp 0.0.1b20220208 `models/roberta.py` (RobertaModel, RobertaEncoder,
RobertaLMHead).
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
    dense,
    layer_norm,
)
from converter.proof.reference.layers import activation as gluon_activation


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

    Keys behind the valid length are not seen. The head counts when its parameters are there; its
    last Dense and the embedding share one parameter (either name holds it), or are untied.
    """
    model = Weights(params, prefix)
    names = [name for name in ("tokens_embed.weight", "lm_head.dense2.weight") if name in model]
    data = model[names[0]][inputs.input_ids]
    data = data + model["pos_embed._embed.weight"][: inputs.input_ids.shape[1]]
    states = [layer_norm(model.child("embed_ln"), data, layer_norm_eps)]
    mask = inputs.valid()[:, None, None, :]
    for layer in model.child("encoder.all_layers").numbered("attn_qkv.weight"):
        states.append(encoder_layer(layer, states[-1], mask, num_heads, activation, layer_norm_eps))
    named = {}
    if "lm_head.dense1.weight" in model:
        data = gluon_activation(activation, dense(model.child("lm_head.dense1"), states[-1]))
        data = layer_norm(model.child("lm_head.ln"), data, layer_norm_eps)
        named["mlm_logits"] = data @ model[names[-1]].T + model["lm_head.dense2.bias"]
    return Outputs(tuple(states), model.dense_outputs, named)
