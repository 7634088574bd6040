"""GluonNLP 1.x RobertaModel and RobertaForMLM as master has them, and XLM-R's, in NumPy.

Source: dmlc/gluon-nlp master (14553a0) `src/gluonnlp/models/roberta.py`, and
`src/gluonnlp/models/xlmr.py`, whose classes are the same.
"""

from __future__ import annotations

from converter.proof.reference import layers as nn
from converter.proof.reference.encoder_1x import encoder_layer, heads_of, mlm_logits, word_embedding
from converter.proof.reference.layers import Inputs, InputSpec, Outputs, Weights


def input_spec(model: Weights) -> InputSpec:
    """The inputs that the model takes."""
    return InputSpec(max_length=len(model["pos_embed._embed.weight"]), token_types=0)


def forward(
    model: Weights, inputs: Inputs, *, num_heads: int, activation: str, layer_norm_eps: float
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`.

    Keys behind the valid length are not seen. The MLM decoder, outside the prefix, is run when its
    parameters are there; a file may have the words under the name of its last Dense alone.
    """
    data = word_embedding(model).rows(inputs.input_ids)
    data = data + model["pos_embed._embed.weight"][: data.shape[1]]
    states = [nn.layer_norm(model.child("embed_ln"), data, layer_norm_eps)]
    mask = inputs.valid()[:, None, None, :]
    for layer in model.child("encoder.all_layers").numbered("layer_norm.gamma"):
        states.append(encoder_layer(layer, states[-1], mask, num_heads, activation, layer_norm_eps))
    named = {}
    if "mlm_decoder.0.weight" in heads_of(model):
        named["mlm_logits"] = mlm_logits(
            model, states[-1], inputs.valid(), activation, layer_norm_eps
        )
    return Outputs(tuple(states), named)
