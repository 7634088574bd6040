"""GluonNLP 1.x RobertaModel as autogluon_contrib_nlp has it, in NumPy.

Source: autogluon_contrib_nlp 0.0.1b20220208 `models/roberta.py` (RobertaModel, RobertaEncoder,
RobertaLMHead).
"""

from __future__ import annotations

from converter.proof.reference import layers as nn
from converter.proof.reference.encoder_1x import encoder_layer
from converter.proof.reference.layers import Inputs, InputSpec, Outputs, Weights


def input_spec(model: Weights) -> InputSpec:
    """The inputs that the model takes."""
    return InputSpec(max_length=len(model["pos_embed._embed.weight"]), token_types=0)


def forward(
    model: Weights, inputs: Inputs, *, num_heads: int, activation: str, layer_norm_eps: float
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`.

    Keys behind the valid length are not seen. The head counts when its parameters are there; its
    last Dense and the embedding share one parameter (either name holds it), or are untied.
    """
    names = "tokens_embed.weight", "lm_head.dense2.weight"
    data = model.table(*names).rows(inputs.input_ids)
    data = data + model["pos_embed._embed.weight"][: inputs.input_ids.shape[1]]
    states = [nn.layer_norm(model.child("embed_ln"), data, layer_norm_eps)]
    mask = inputs.valid()[:, None, None, :]
    for layer in model.child("encoder.all_layers").numbered("attn_qkv.weight"):
        states.append(encoder_layer(layer, states[-1], mask, num_heads, activation, layer_norm_eps))
    named = {}
    if "lm_head.dense1.weight" in model:
        data = nn.activation(activation, nn.dense(model.child("lm_head.dense1"), states[-1]))
        data = nn.layer_norm(model.child("lm_head.ln"), data, layer_norm_eps)
        named["mlm_logits"] = model.table(*names[::-1]).valid_scores(
            data, inputs.valid(), model["lm_head.dense2.bias"]
        )
    return Outputs(tuple(states), named)
