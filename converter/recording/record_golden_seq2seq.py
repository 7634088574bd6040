"""Run BART and T5 of GluonNLP's master branch by MXNet's own operators: record_golden_operators.py.

From dmlc/gluon-nlp master (14553a0) src/gluonnlp/models/{bart,transformer,t5,mt5}.py, layers.py
(RMSNorm, PositionwiseFFN), attention_cell.py (RelAttentionScoreCell), op.py
(relative_position_bucket).
"""

import math

import mxnet as mx
import numpy as np
from record_golden import Told
from record_golden_layers import (
    Weights,
    activate,
    attend,
    causal,
    dense,
    embed,
    encoder_layer,
    ffn,
    layer_norm,
    qkv_attention,
    rms_norm,
    scaled,
    split,
    valid,
)

nd = mx.nd
MAX_DISTANCE = 128  # T5: RelAttentionScoreCell's own


def bart(
    model: Weights,
    outer: Weights,
    told: Told,
    input_ids,
    valid_length,
    decoder_ids,
    decoder_valid_length,
) -> dict:
    """BartModel; of names that share one parameter, a file may have the last alone."""
    eps, heads = told.layer_norm_eps, told.decoder_heads
    names = ("src_embed_layer.weight", "tgt_embed_layer.weight", "tgt_final_layer.weight")

    def start(side: Weights, names: tuple, positions: str, ids: np.ndarray) -> nd.NDArray:
        table = model[positions + "._embed.weight"][: ids.shape[1]].expand_dims(0)
        data = nd.broadcast_add(embed(model.first(*names), ids), table)
        return layer_norm(side.child("ln_data"), data, eps)

    encoder, decoder = model.child("encoder"), model.child("decoder")
    seen, states = valid(valid_length, input_ids.shape[1]), []
    memory = start(encoder, names, "src_pos_embed_layer", input_ids)
    for layer in encoder.numbered("layers"):
        memory = encoder_layer(layer, memory, seen, told.num_heads, told.activation, eps)
        states.append(memory)
    data = start(decoder, names[1:], "tgt_pos_embed_layer", decoder_ids)
    before, made = causal(decoder_ids.shape[1]), []
    for layer in decoder.numbered("layers"):
        context = qkv_attention(layer.child("attn_in_qkv"), data, heads, before)
        data = layer_norm(layer.child("ln_in"), dense(layer.child("proj_in"), context) + data, eps)
        query = split(dense(layer.child("attn_inter_q"), data), heads)
        key, value = (split(dense(layer.child("attn_inter_" + n), memory), heads) for n in "kv")
        context = attend(scaled(query, key), value, heads, seen)
        data = dense(layer.child("proj_inter"), context) + data
        data = layer_norm(layer.child("ln_inter"), data, eps)
        data = ffn(layer.child("ffn"), data, told.activation, eps)
        made.append(data)
    logits = nd.dot(data, model[names[2]], transpose_b=True)
    return {"hidden_states": states, "decoder_states": made, "lm_logits": logits}


def buckets(length: int, number: int, both_ways: bool) -> np.ndarray:
    """relative_position_bucket: the row of the table for each query and key, in float32."""
    steps = np.arange(length)
    distance = steps - steps[:, None]  # of the key from the query
    first = np.zeros_like(distance)
    if both_ways:
        number //= 2
        first, distance = (distance > 0) * number, np.abs(distance)
    else:
        distance = np.maximum(-distance, 0)
    near = number // 2
    ratio = nd.array(np.maximum(distance, 1), dtype="float32") / near
    far = near + nd.log(ratio) / math.log(MAX_DISTANCE / near) * (number - near)
    far = np.minimum(far.asnumpy().astype("int32"), number - 1)
    return first + np.where(distance < near, distance, far)


def t5(
    model: Weights,
    outer: Weights,
    told: Told,
    input_ids,
    valid_length,
    decoder_ids,
    decoder_valid_length,
) -> dict:
    """T5Model and MT5Model, also in T5Inference; the last states are what the final norms give."""
    eps, name = told.layer_norm_eps, "input_embedding_layer.weight"
    table = model[name] if name in model else outer["output_layer.weight"]
    seen = valid(valid_length, input_ids.shape[1])

    def inner(block: Weights, data: nd.NDArray) -> nd.NDArray:
        data = rms_norm(block.child("layer_norm"), data, eps)
        plain = dense(block.child("ffn_1"), data)
        if "gated_ffn_1.weight" not in block:
            return dense(block.child("ffn_2"), activate(told.activation, plain))
        gate = activate(told.activation, dense(block.child("gated_ffn_1"), data))
        return dense(block.child("ffn_2"), gate * plain)

    def attention(layer, kind, data, memory, seen, rows):
        query = dense(layer.child(kind + "_attn_q"), data)
        key, value = (dense(layer.child(f"{kind}_attn_{n}"), memory) for n in "kv")
        heads = rows.shape[0]
        query, key, value = (split(part, heads) for part in (query, key, value))
        scores = nd.batch_dot(query, key, transpose_b=True)  # not scaled
        scores = scores.reshape((-1, heads, query.shape[1], key.shape[1]))
        scores = nd.broadcast_add(scores, rows.expand_dims(0))
        context = attend(scores.reshape((-1, query.shape[1], key.shape[1])), value, heads, seen)
        return dense(layer.child(kind + "_attn_proj"), context)

    def run(side: Weights, ids: np.ndarray, memory: object) -> list:
        length = ids.shape[1]
        places = side["relative_position_encoder._rel_pos_embed.weight"]
        number, heads = places.shape
        rows = embed(places, buckets(length, number, memory is None)).transpose((2, 0, 1))
        data, states = embed(table, ids), []
        for layer in side.numbered("layers"):
            normed = rms_norm(layer.child("self_attn_layer_norm"), data, eps)
            own = seen if memory is None else causal(length)
            data = data + attention(layer, "self", normed, normed, own, rows)
            if memory is not None:
                normed = rms_norm(layer.child("cross_attn_layer_norm"), data, eps)
                nothing = nd.zeros((heads, 1, 1))
                data = data + attention(layer, "cross", normed, memory, seen, nothing)
            data = data + inner(layer.child("ffn"), data)
            states.append(data)
        states[-1] = rms_norm(side.child("final_layer_norm"), data, eps)
        return states

    encoded = run(model.child("encoder"), input_ids, None)
    decoded = run(model.child("decoder"), decoder_ids, encoded[-1])
    return {"hidden_states": encoded, "decoder_states": decoded}
