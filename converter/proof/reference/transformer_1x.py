"""The decoder layer of GluonNLP 1.x's TransformerModel in NumPy, float32, post norm.

Source: dmlc/gluon-nlp master (14553a0) `src/gluonnlp/models/transformer.py`
(TransformerDecoderLayer; its encoder layer is that of `encoder_1x.py`). PositionwiseFFN, LayerNorm
and the attention are those of 0.x.
"""

from __future__ import annotations

import numpy as np

from converter.proof.reference import layers as nn
from converter.proof.reference.layers import Array, Weights


def decoder_layer(
    layer: Weights, data: Array, memory: Array, mask: Array, num_heads: int, act: str, eps: float
) -> Array:
    """TransformerDecoderLayer: a position sees itself, those before it, and the encoder's output.

    data (batch, length, units); memory (batch, encoder's length, units); mask, like
    (batch, 1, 1, encoder's length), is True where a position of the memory may be seen.
    """
    query, key, value = np.split(nn.dense(layer.child("attn_in_qkv"), data), 3, axis=-1)
    causal = np.tri(data.shape[1], dtype=bool)
    data = nn.dense(layer.child("proj_in"), nn.attend(query, key, value, causal, num_heads)) + data
    data = nn.layer_norm(layer.child("ln_in"), data, eps)

    query = nn.dense(layer.child("attn_inter_q"), data)
    key, value = (nn.dense(layer.child(f"attn_inter_{name}"), memory) for name in "kv")
    data = nn.dense(layer.child("proj_inter"), nn.attend(query, key, value, mask, num_heads)) + data
    data = nn.layer_norm(layer.child("ln_inter"), data, eps)
    return nn.positionwise_ffn(layer.child("ffn"), data, act, eps)
