"""Run GPT-2, XLNet and the models of GluonNLP's master branch by MXNet's own operators.

record_golden.py uses it. The classes of these are in no package, and the code that had them may be
lost where the checkpoint is not. So each forward pass is put together here of MXNet's operators, from

    GluonNLP v0.10.0 scripts/text_generation/model/gpt.py (GPT2Model),
        scripts/language_model/transformer/{transformer,attention_cell}.py (XLNet)
    dmlc/gluon-nlp master (14553a0) src/gluonnlp/models/{gpt2,bart,t5,mt5,xlmr,roberta,transformer}.py,
        src/gluonnlp/{layers,attention_cell,op}.py

bort-convert's tests hold that it gives what that code itself gave, to 1e-5.
"""

import math

import mxnet as mx
import numpy as np
from record_golden import Limits, Told

nd = mx.nd
HIDDEN = -1e18  # the score of a key that is not seen
ROOT_2, ROOT_2_PI = math.sqrt(2), math.sqrt(2 / math.pi)
MAX_DISTANCE = 128  # T5: RelAttentionScoreCell's own


class Weights:
    """The arrays of a file below a prefix; what was asked for is remembered."""

    def __init__(self, arrays: dict, prefix: str = "", used: object = None) -> None:
        self.arrays, self.prefix, self.used = arrays, prefix, set() if used is None else used

    def __getitem__(self, name: str) -> nd.NDArray:
        name = self.prefix + name
        if name not in self.arrays:
            raise SystemExit(
                "missing: {}; the file has {} ...".format(name, sorted(self.arrays)[:4])
            )
        self.used.add(name)
        return nd.array(self.arrays[name], dtype="float32")

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.arrays

    def child(self, name: str) -> "Weights":
        """The same below a longer prefix."""
        return Weights(self.arrays, "{}{}.".format(self.prefix, name), self.used)

    def first(self, *names: str) -> nd.NDArray:
        """The array by the first of its names that is there."""
        return self[next((name for name in names if name in self), names[0])]

    def numbered(self, name: str) -> list:
        """The children called by a number below `name`, in order."""
        begin = "{}{}.".format(self.prefix, name)
        names = (n[len(begin) :].split(".")[0] for n in self.arrays if n.startswith(begin))
        return [self.child("%s.%d" % (name, n)) for n in sorted({int(n) for n in names})]


def dense(block: Weights, data: nd.NDArray) -> nd.NDArray:
    """nn.Dense(flatten=False), with or without a bias."""
    weight = block["weight"]
    bias = [block["bias"]] if "bias" in block else []
    return nd.FullyConnected(
        data, weight, *bias, num_hidden=weight.shape[0], no_bias=not bias, flatten=False
    )


def layer_norm(block: Weights, data: nd.NDArray, eps: float) -> nd.NDArray:
    """nn.LayerNorm over the last axis."""
    return nd.LayerNorm(data, block["gamma"], block["beta"], axis=-1, eps=eps)


def rms_norm(block: Weights, data: nd.NDArray, eps: float) -> nd.NDArray:
    """RMSNorm of the master branch: it adds a `beta`, which it keeps at zero."""
    scale = nd.rsqrt(nd.square(data).mean(axis=-1, keepdims=True) + eps)
    normed = nd.broadcast_mul(data, scale)
    return nd.broadcast_add(nd.broadcast_mul(normed, block["gamma"]), block["beta"])


def activate(name: str, data: nd.NDArray) -> nd.NDArray:
    """GluonNLP's activations: gelu by erf, gelu_tanh or gelu(tanh), relu."""
    if name == "gelu":
        return 0.5 * data * (1 + nd.erf(data / ROOT_2))
    if name in ("gelu_tanh", "gelu(tanh)"):
        return 0.5 * data * (1 + nd.tanh(ROOT_2_PI * (data + 0.044715 * data**3)))
    if name == "relu":
        return nd.relu(data)
    raise SystemExit("--activation {}: there are gelu, gelu(tanh) and relu".format(name))


def embed(table: nd.NDArray, ids: np.ndarray) -> nd.NDArray:
    """(batch, length) ids → (batch, length, units)."""
    return nd.Embedding(nd.array(ids), table, input_dim=table.shape[0], output_dim=table.shape[1])


def split(data: nd.NDArray, heads: int) -> nd.NDArray:
    """(batch, length, units) → (batch × heads, length, units of a head)."""
    data = data.reshape((0, 0, heads, -1)).transpose((0, 2, 1, 3))
    return data.reshape((-1, data.shape[2], data.shape[3]))


def attend(scores: nd.NDArray, value: nd.NDArray, heads: int, seen: np.ndarray) -> nd.NDArray:
    """Softmax of scores (batch × heads, query, key) and what is seen of the values, by units.

    `seen`, of a shape like (batch, 1, query, key), is 1 where a key may be seen, else 0.
    """
    shape = (-1, heads, scores.shape[1], scores.shape[2])
    mask = nd.broadcast_like(nd.array(seen), scores.reshape(shape))
    weights = nd.softmax(nd.where(mask, scores.reshape(shape), HIDDEN * nd.ones_like(mask))) * mask
    context = nd.batch_dot(weights.reshape(scores.shape), value)
    context = context.reshape((-1, heads, context.shape[1], context.shape[2]))
    return context.transpose((0, 2, 1, 3)).reshape((0, 0, -1))


def scaled(query: nd.NDArray, key: nd.NDArray) -> nd.NDArray:
    """Scores of a DotProductAttentionCell(scaled=True)."""
    return nd.batch_dot(query / math.sqrt(query.shape[-1]), key, transpose_b=True)


def qkv_attention(block: Weights, data: nd.NDArray, heads: int, seen: np.ndarray) -> nd.NDArray:
    """Attention of which one Dense gives query, key and value, one after the other."""
    query, key, value = (split(part, heads) for part in dense(block, data).split(3, axis=2))
    return attend(scaled(query, key), value, heads, seen)


def valid(lengths: np.ndarray, length: int) -> np.ndarray:
    """1 where a key is no padding, (batch, 1, 1, length)."""
    return (np.arange(length) < lengths[:, None])[:, None, None].astype("float32")


def causal(length: int) -> np.ndarray:
    """1 where a key is the query or before it, (1, 1, length, length)."""
    return np.tri(length, dtype="float32")[None, None]


def ffn(block: Weights, data: nd.NDArray, activation: str, eps: float) -> nd.NDArray:
    """PositionwiseFFN: Dense, activation, Dense; it adds its input, then norms."""
    inner = activate(activation, dense(block.child("ffn_1"), data))
    return layer_norm(block.child("layer_norm"), dense(block.child("ffn_2"), inner) + data, eps)


def encoder_layer(
    layer: Weights, data: nd.NDArray, seen: np.ndarray, heads: int, activation: str, eps: float
) -> nd.NDArray:
    """TransformerEncoderLayer of 1.x, post norm."""
    context = qkv_attention(layer.child("attn_qkv"), data, heads, seen)
    data = dense(layer.child("attention_proj"), context) + data
    data = layer_norm(layer.child("layer_norm"), data, eps)
    return ffn(layer.child("ffn"), data, activation, eps)


class Model:
    """A forward pass and the arrays of a file; `limits` and `about` as record_golden.py has them."""

    def __init__(self, arrays: dict, told: Told) -> None:
        marker, self.pass_, eps, activation = FAMILIES[told.family]
        found = [name for name in arrays if name == marker or name.endswith("." + marker)]
        if len(found) != 1:
            raise SystemExit(
                "not a {} written by save_parameters: {} names end in {}; the file has {} ...".format(
                    told.family, len(found), marker, ", ".join(sorted(arrays)[:3])
                )
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
            options = " ".join("--%s" % need.replace("_", "-") for need in needs)
            raise SystemExit("{} is in no tensor: give {}".format(", ".join(needs), options))
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
        left = sorted(within - self.model.used - {self.model.prefix + "mask_embed"})
        if left and self.model.prefix:
            raise SystemExit("not a {}: unknown {}".format(told.family, left[:5]))
        return {
            word: np.stack([a.asnumpy() for a in given])
            if isinstance(given, list)
            else given.asnumpy()
            for word, given in outputs.items()
        }


def gpt2(model: Weights, outer: Weights, told: Told, input_ids, valid_length) -> dict:  # noqa: ANN001
    """GPT2Model of 0.x and 1.x, GPT2ForLM; the last state is what the final LayerNorm gives."""
    words = model if "_embed.weight" in model else outer
    table = words.first("_embed.weight", "_lm_head.weight")
    length, eps = input_ids.shape[1], told.layer_norm_eps
    positions = model.first("_pos_embed.weight", "_pos_embed._embed.weight")[:length]
    data, states, seen = (
        nd.broadcast_add(embed(table, input_ids), positions.expand_dims(0)),
        [],
        causal(length),
    )
    if "_attn_ln.0.gamma" in model:  # 0.x: (norm, query to value, output; norm and two Denses)
        layers = [
            (
                *(model.child("_attn_ln.%d" % n), layer.child("_multi_head_qkv_proj")),
                *(layer.child("_out_proj"), model.child("_ffn_ln.%d" % n)),
                *(
                    model.child("_ffn_layers.%d._hidden_map" % n),
                    model.child("_ffn_layers.%d._out_map" % n),
                ),
            )
            for n, layer in enumerate(model.numbered("_self_attention_layers"))
        ]
    else:
        parts = "atten.ln atten.qkv atten.out_proj ffn.layer_norm ffn.ffn_1 ffn.ffn_2".split()
        layers = [[layer.child(part) for part in parts] for layer in model.numbered("_layers")]
    for norm_1, qkv, out, norm_2, ffn_1, ffn_2 in layers:
        context = qkv_attention(qkv, layer_norm(norm_1, data, eps), told.num_heads, seen)
        data = data + dense(out, context)
        inner = activate(told.activation, dense(ffn_1, layer_norm(norm_2, data, eps)))
        data = data + dense(ffn_2, inner)
        states.append(data)
    states[-1] = layer_norm(model.child("_final_ln"), data, eps)
    outputs = {"hidden_states": states}
    if "_lm_head.weight" in outer or "_pos_embed.weight" in model:  # 0.x has it always
        outputs["lm_logits"] = nd.dot(states[-1], table, transpose_b=True)
    for tied in ("_logits_proj.weight", "_embed.weight"):
        if tied in model:
            model[tied]
    return outputs


def xlnet(model: Weights, outer: Weights, told: Told, input_ids, valid_length, token_types) -> dict:  # noqa: ANN001
    """XLNet, without memory: every position sees every other that is no padding."""
    eps, length = told.layer_norm_eps, input_ids.shape[1]
    data = embed(model.first("word_embed.weight", "decoder.weight"), input_ids)
    angles = nd.dot(
        nd.arange(length, -length, -1).expand_dims(1), model["pos_embed.inv_freq"].reshape((1, -1))
    )
    distances = nd.concat(nd.sin(angles), nd.cos(angles), dim=1).expand_dims(0)
    rows = length - (np.arange(length)[:, None] - np.arange(length)[None])  # of query from key
    elsewhere = (token_types[:, :, None] != token_types[:, None, :])[:, None].astype("float32")
    seen, states = valid(valid_length, length), []

    for cell in model.numbered("transformer_cells"):
        attention = cell.child("attention_cell")
        heads, width = attention["query_key_bias"].shape
        batch = input_ids.shape[0]

        def project(name, data, attention=attention, heads=heads):  # noqa: ANN001, ANN202
            return split(dense(attention.child("proj_" + name), data), heads)

        def query_with(bias, query, attention=attention, batch=batch):  # noqa: ANN001, ANN202
            bias = nd.tile(attention[bias], (batch, 1))  # (batch × heads, units of a head)
            return nd.broadcast_add(query, bias.expand_dims(1))

        query, key, value = (project(name, data) for name in ("query", "key", "value"))
        content = nd.batch_dot(query_with("query_key_bias", query), key, transpose_b=True)
        far = nd.tile(project("emb", distances), (batch, 1, 1))
        by_distance = nd.batch_dot(query_with("query_emb_bias", query), far, transpose_b=True)
        position = nd.pick(
            nd.broadcast_axis(by_distance.expand_dims(2), axis=2, size=length),
            nd.array(np.broadcast_to(rows, (batch * heads, length, length))),
            axis=-1,
        )
        segments = nd.tile(attention["seg_emb"].transpose((1, 0, 2)), (batch, 1, 1))
        of_segments = nd.batch_dot(query_with("query_seg_bias", query), segments, transpose_b=True)
        here, there = of_segments.split(2, axis=2)  # of one segment, of another
        other = nd.array(np.broadcast_to(elsewhere, (batch, heads, length, length)))
        other = other.reshape((-1, length, length))
        segment = nd.broadcast_mul(here, 1 - other) + nd.broadcast_mul(there, other)
        scores = (content + position + segment) / math.sqrt(width)
        context = attend(scores, value, heads, seen)
        data = layer_norm(cell.child("layer_norm"), dense(cell.child("proj"), context) + data, eps)
        data = ffn(cell.child("ffn"), data, told.activation, eps)
        states.append(data)
    outputs = {"hidden_states": states}
    if "decoder.bias" in model:
        weight = model.first("decoder.weight", "word_embed.weight")
        logits = nd.dot(data, weight, transpose_b=True)
        outputs["lm_logits"] = nd.broadcast_add(logits, model["decoder.bias"])
    return outputs


def roberta(model: Weights, outer: Weights, told: Told, input_ids, valid_length) -> dict:  # noqa: ANN001
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


def bart(  # noqa: D103
    model: Weights,
    outer: Weights,
    told: Told,
    input_ids,
    valid_length,
    decoder_ids,
    decoder_valid_length,  # noqa: ANN001
) -> dict:
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


def t5(  # noqa: D103
    model: Weights,
    outer: Weights,
    told: Told,
    input_ids,
    valid_length,
    decoder_ids,
    decoder_valid_length,  # noqa: ANN001
) -> dict:
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

    def attention(layer, kind, data, memory, seen, rows):  # noqa: ANN001, ANN202
        query = dense(layer.child(kind + "_attn_q"), data)
        key, value = (dense(layer.child("%s_attn_%s" % (kind, n)), memory) for n in "kv")
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
POSITIONS = ("_pos_embed.weight", "_pos_embed._embed.weight", "pos_embed._embed.weight")
POSITIONS += ("src_pos_embed_layer._embed.weight",)
WORDS = ("_embed.weight", "_lm_head.weight", "word_embed.weight", "decoder.weight")
WORDS += ("src_embed_layer.weight", "tgt_embed_layer.weight", "tgt_final_layer.weight")
WORDS += ("input_embedding_layer.weight", "output_layer.weight", "mlm_decoder.3.weight")
