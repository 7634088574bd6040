"""GPT-2 of GluonNLP 0.x (GPT2Model) and 1.x (GPT2Model, GPT2ForLM) in NumPy.

Sources: GluonNLP v0.10.0 `scripts/text_generation/model/gpt.py` (GPT2Model, GPT2SelfAttentionLayer,
GPT2FFNLayer), of which v0.8.3 differs in its GELU alone; dmlc/gluon-nlp master (14553a0)
`src/gluonnlp/models/gpt2.py` (GPT2Model, GPT2Layer, GPT2SelfAttentionLayer, GPT2FFN, GPT2ForLM).
LayerNorm's epsilon is MXNet's default, 1e-5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Inputs, InputSpec, Outputs, Weights

POSITIONS = "_pos_embed.weight", "_pos_embed._embed.weight"  # 0.x, 1.x
HEAD_1X = "_lm_head.weight"
PARTS_1X = "atten.ln", "atten.qkv", "atten.out_proj", "ffn.layer_norm", "ffn.ffn_1", "ffn.ffn_2"


def input_spec(model: Weights) -> InputSpec:
    """The inputs that the model takes."""
    return InputSpec(max_length=len(model.first(*POSITIONS)), token_types=0)


def forward(
    model: Weights, inputs: Inputs, *, num_heads: int, activation: str, layer_norm_eps: float
) -> Outputs:
    """Run the model whose `save_parameters` names are in `model`, without previous states.

    A position sees itself and those before it, so padding behind the valid length is not seen.
    The last of the hidden states is what the final LayerNorm gives, as in Transformers. The LM head
    shares its parameter with the words: 0.x always has it, 1.x in GPT2ForLM, beside the model.
    """
    names = [name for name in ("_embed.weight", "_logits_proj.weight") if name in model]
    embedding = model.table(*names) if names else model.outer.table(HEAD_1X)
    states = [
        embedding.rows(inputs.input_ids) + model.first(*POSITIONS)[: inputs.input_ids.shape[1]]
    ]
    mask = np.tri(inputs.input_ids.shape[1], dtype=bool)
    for norm_1, qkv, out, norm_2, ffn_1, ffn_2 in _layers(model):
        data = states[-1]
        projected = nn.dense(qkv, nn.layer_norm(norm_1, data, layer_norm_eps))
        query, key, value = np.split(projected, 3, axis=-1)  # one after the other in one Dense
        data = data + nn.dense(out, nn.attend(query, key, value, mask, num_heads))
        inner = nn.dense(ffn_1, nn.layer_norm(norm_2, data, layer_norm_eps))
        states.append(data + nn.dense(ffn_2, nn.activation(activation, inner)))
    states[-1] = nn.layer_norm(model.child("_final_ln"), states[-1], layer_norm_eps)
    named = {}
    if HEAD_1X in model.outer:
        named["lm_logits"] = model.outer.table(HEAD_1X).scores(states[-1])
    elif POSITIONS[0] in model:
        named["lm_logits"] = embedding.scores(states[-1])
    return Outputs(tuple(states), named)


def _layers(model: Weights) -> Iterator[Sequence[Weights]]:
    """Of each layer: norm, query to value, output; norm and both Denses of the second half."""
    for number, attention in enumerate(
        model.child("_self_attention_layers").numbered("_out_proj.weight")
    ):
        ffn = model.child(f"_ffn_layers.{number}")
        yield (
            *(model.child(f"_attn_ln.{number}"), attention.child("_multi_head_qkv_proj")),
            *(attention.child("_out_proj"), model.child(f"_ffn_ln.{number}")),
            *(ffn.child("_hidden_map"), ffn.child("_out_map")),
        )
    for layer in model.child("_layers").numbered("atten.ln.gamma"):
        yield [layer.child(part) for part in PARTS_1X]
