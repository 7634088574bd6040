"""Run GPT-2, XLNet and the models of GluonNLP's master branch by MXNet's own operators.

record_golden.py uses it. The classes of these are in no package, and the code that had them may be
lost where the checkpoint is not. So each forward pass is put together here of MXNet's operators,
from GluonNLP v0.10.0 scripts/text_generation/model/gpt.py (GPT2Model) and
scripts/language_model/transformer/{transformer,attention_cell}.py (XLNet), and from dmlc/gluon-nlp
master (14553a0) src/gluonnlp/models/{gpt2,xlmr,roberta}.py; BART and T5 are in another file.
bort-convert's tests hold that it gives what that code itself gave, to 1e-5.
"""

import math

import mxnet as mx
import numpy as np
from record_golden import Limits, Told
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
    split,
    valid,
)
from record_golden_seq2seq import bart, t5

nd = mx.nd
GPT2_PARTS = ("atten.ln", "atten.qkv", "atten.out_proj")  # of a layer of 1.x
GPT2_PARTS += ("ffn.layer_norm", "ffn.ffn_1", "ffn.ffn_2")


class Model:
    """A forward pass on the arrays of a file; `limits`, `about` as record_golden.py has them."""

    def __init__(self, arrays: dict, told: Told) -> None:
        marker, self.pass_, eps, activation = FAMILIES[told.family]
        found = [name for name in arrays if name == marker or name.endswith("." + marker)]
        if len(found) != 1:
            raise SystemExit(
                f"not a {told.family} written by save_parameters: {len(found)} names end in "
                f"{marker}; the file has {', '.join(sorted(arrays)[:3])} ..."
            )
        self.model = Weights(arrays, found[0][: -len(marker)])
        self.outer = Weights(arrays, "", self.model.used)
        self.told = told._replace(
            activation=told.activation or activation,
            layer_norm_eps=eps if told.layer_norm_eps is None else told.layer_norm_eps,
            decoder_heads=told.decoder_heads or told.num_heads,
        )
        needs = [n for n in NEEDED.get(told.family, ["num_heads"]) if not getattr(self.told, n)]
        if needs:
            options = " ".join("--" + need.replace("_", "-") for need in needs)
            raise SystemExit(f"no tensor tells {', '.join(needs)}: give {options}")
        positions = next((n for n in POSITIONS if n in self.model), None)
        words = self.model if any(n in self.model for n in WORDS) else self.outer
        self.limits = Limits(
            vocab_size=words.first(*WORDS).shape[0],
            max_length=self.model[positions].shape[0] if positions else None,
            token_types=2 if told.family == "xlnet" else 0,
            decoder=told.family in ("bart_1x", "t5_1x", "mt5_1x"),
        )
        kept = ("num_heads", "decoder_heads", "activation", "layer_norm_eps")
        self.about = {name: getattr(self.told, name) for name in kept}
        self.about["code"] = "rebuilt of MXNet's operators (record_golden_operators.py)"
        if told.family == "bart_1x":
            self.about["encoder_heads"] = self.told.num_heads

    def run(self, **inputs: np.ndarray) -> dict:
        """Return hidden_states and the other outputs by their words, float32."""
        told = self.told
        outputs = self.pass_(self.model, self.outer, told, **inputs)
        within = {n for n in self.model.arrays if n.startswith(self.model.prefix)}
        left = sorted(within - self.model.used - {self.model.prefix + n for n in NOT_ASKED})
        if left:
            raise SystemExit(f"not a {told.family}: unknown {left[:5]}")
        arrays = {w: nd.stack(*a) if isinstance(a, list) else a for w, a in outputs.items()}
        return {word: array.asnumpy() for word, array in arrays.items()}


def gpt2(model: Weights, outer: Weights, told: Told, input_ids, valid_length) -> dict:
    """GPT2Model of 0.x and 1.x, GPT2ForLM; the last state is what the final LayerNorm gives."""
    eps, length = told.layer_norm_eps, input_ids.shape[1]
    words = model if "_embed.weight" in model else outer
    table = words.first("_embed.weight", "_lm_head.weight")
    positions = model.first("_pos_embed.weight", "_pos_embed._embed.weight")[:length]
    data = nd.broadcast_add(embed(table, input_ids), positions.expand_dims(0))
    states, seen = [], causal(length)
    for norm_1, qkv, out, norm_2, ffn_1, ffn_2 in gpt2_layers(model):
        context = qkv_attention(qkv, layer_norm(norm_1, data, eps), told.num_heads, seen)
        data = data + dense(out, context)
        inner = activate(told.activation, dense(ffn_1, layer_norm(norm_2, data, eps)))
        data = data + dense(ffn_2, inner)
        states.append(data)
    states[-1] = layer_norm(model.child("_final_ln"), data, eps)
    outputs = {"hidden_states": states}
    if "_lm_head.weight" in outer or "_pos_embed.weight" in model:  # 0.x has it always
        outputs["lm_logits"] = nd.dot(states[-1], table, transpose_b=True)
    return outputs


def gpt2_layers(model: Weights) -> list:
    """Of each layer: norm, query to value, output; norm and both Denses of the second half."""
    layers = [[layer.child(part) for part in GPT2_PARTS] for layer in model.numbered("_layers")]
    for n, attention in enumerate(model.numbered("_self_attention_layers")):  # 0.x
        inner = model.child(f"_ffn_layers.{n}")
        first = [model.child(f"_attn_ln.{n}"), attention.child("_multi_head_qkv_proj")]
        second = [attention.child("_out_proj"), model.child(f"_ffn_ln.{n}")]
        layers.append(first + second + [inner.child("_hidden_map"), inner.child("_out_map")])
    return layers


def xlnet(model: Weights, outer: Weights, told: Told, input_ids, valid_length, token_types) -> dict:
    """XLNet, without memory: every position sees every other that is no padding."""
    eps, length = told.layer_norm_eps, input_ids.shape[1]
    data = embed(model.first("word_embed.weight", "decoder.weight"), input_ids)
    steps, frequencies = nd.arange(length, -length, -1), model["pos_embed.inv_freq"]
    angles = nd.dot(steps.expand_dims(1), frequencies.reshape((1, -1)))
    distances = nd.concat(nd.sin(angles), nd.cos(angles), dim=1).expand_dims(0)
    elsewhere = (token_types[:, :, None] != token_types[:, None, :])[:, None].astype("float32")
    seen, states = valid(valid_length, length), []
    for cell in model.numbered("transformer_cells"):
        context = xlnet_attention(cell.child("attention_cell"), data, distances, elsewhere, seen)
        data = layer_norm(cell.child("layer_norm"), dense(cell.child("proj"), context) + data, eps)
        data = ffn(cell.child("ffn"), data, told.activation, eps)
        states.append(data)
    outputs = {"hidden_states": states}
    if "decoder.bias" in model:
        weight = model.first("decoder.weight", "word_embed.weight")
        logits = nd.dot(data, weight, transpose_b=True)
        outputs["lm_logits"] = nd.broadcast_add(logits, model["decoder.bias"])
    return outputs


def xlnet_attention(
    cell: Weights, data: nd.NDArray, distances: nd.NDArray, elsewhere: np.ndarray, seen: np.ndarray
) -> nd.NDArray:
    """Scores by content, by distance and by whether query and key are of one segment.

    distances (1, 2 × length, units) from `length` to `1 - length`; elsewhere (batch, 1, query, key)
    is 1 where a key is of another segment.
    """
    batch, length = data.shape[:2]
    heads, width = cell["query_key_bias"].shape

    def project(name: str, data: nd.NDArray) -> nd.NDArray:
        return split(dense(cell.child("proj_" + name), data), heads)

    def asked(bias: str, key: nd.NDArray) -> nd.NDArray:
        own = nd.tile(cell[bias], (batch, 1)).expand_dims(1)  # (batch × heads, 1, units of a head)
        return nd.batch_dot(nd.broadcast_add(query, own), key, transpose_b=True)

    query, key, value = (project(name, data) for name in ("query", "key", "value"))
    content = asked("query_key_bias", key)
    by_distance = asked("query_emb_bias", nd.tile(project("emb", distances), (batch, 1, 1)))
    rows = length - (np.arange(length)[:, None] - np.arange(length))  # of the query from the key
    position = nd.pick(
        nd.broadcast_axis(by_distance.expand_dims(2), axis=2, size=length),
        nd.array(np.broadcast_to(rows, (batch * heads, length, length))),
        axis=-1,
    )
    segments = nd.tile(cell["seg_emb"].transpose((1, 0, 2)), (batch, 1, 1))
    here, there = asked("query_seg_bias", segments).split(2, axis=2)  # of one segment, of another
    other = nd.array(np.broadcast_to(elsewhere, (batch, heads, length, length)))
    other = other.reshape((-1, length, length))
    segment = nd.broadcast_mul(here, 1 - other) + nd.broadcast_mul(there, other)
    scores = (content + position + segment) / math.sqrt(width)
    return attend(scores, value, heads, seen)


def roberta(model: Weights, outer: Weights, told: Told, input_ids, valid_length) -> dict:
    """RobertaModel and XLMRModel of the master branch, with or without their MLM decoder."""
    eps, length = told.layer_norm_eps, input_ids.shape[1]
    words = model if "word_embed.weight" in model else outer
    table = words.first("word_embed.weight", "mlm_decoder.3.weight")
    positions = model["pos_embed._embed.weight"][:length].expand_dims(0)
    data = layer_norm(
        model.child("embed_ln"), nd.broadcast_add(embed(table, input_ids), positions), eps
    )
    states, seen = [], valid(valid_length, length)
    for layer in model.numbered("encoder.all_layers"):
        data = encoder_layer(layer, data, seen, told.num_heads, told.activation, eps)
        states.append(data)
    outputs = {"hidden_states": states}
    if "mlm_decoder.0.weight" in outer:
        decoder = outer.child("mlm_decoder")
        data = activate(told.activation, dense(decoder.child("0"), data))
        data = layer_norm(decoder.child("2"), data, eps)
        logits = nd.dot(data, table, transpose_b=True)
        outputs["mlm_logits"] = nd.broadcast_add(logits, decoder["3.bias"])
    return outputs


# Each: a name by which its prefix is found, the forward pass, epsilon and activation of its own
FAMILIES = {
    "gpt2": ("_final_ln.gamma", gpt2, 1e-5, None),
    "gpt2_1x": ("_final_ln.gamma", gpt2, 1e-5, None),
    "xlnet": ("pos_embed.inv_freq", xlnet, 1e-12, None),
    "bart_1x": ("encoder.ln_data.gamma", bart, 1e-5, "gelu"),
    "t5_1x": ("encoder.final_layer_norm.gamma", t5, 1e-6, "relu"),
    "mt5_1x": ("encoder.final_layer_norm.gamma", t5, 1e-6, "gelu(tanh)"),
    "xlmr_1x": ("embed_ln.gamma", roberta, 1e-5, "gelu"),
    "roberta_1x_master": ("embed_ln.gamma", roberta, 1e-5, "gelu"),
}
NEEDED = {  # what somebody has to tell; else the number of heads
    "gpt2": ["num_heads", "activation"],
    "gpt2_1x": ["num_heads", "activation"],
    "xlnet": ["activation"],
    "t5_1x": [],
    "mt5_1x": [],
}
# Second names of a parameter, and XLNet's mask, which only its query stream asks for
NOT_ASKED = ("_logits_proj.weight", "decoder.weight", "mask_embed", "tgt_embed_layer.weight")
POSITIONS = ("_pos_embed.weight", "_pos_embed._embed.weight", "pos_embed._embed.weight")
POSITIONS += ("src_pos_embed_layer._embed.weight",)
WORDS = ("_embed.weight", "_lm_head.weight", "word_embed.weight", "decoder.weight")
WORDS += ("src_embed_layer.weight", "tgt_embed_layer.weight", "tgt_final_layer.weight")
WORDS += ("input_embedding_layer.weight", "output_layer.weight", "mlm_decoder.3.weight")
