"""Run a BERT, ALBERT, ELECTRA, MobileBERT or RoBERTa by the classes of autogluon_contrib_nlp.

record_golden.py uses it. The parts of an ElectraForPretrain are two models: --prefix discriminator.
or generator. tells which; the backbone in a network of AutoGluon's is --prefix text_backbone.
"""

import re

import mxnet as mx
import numpy as np

mx.npx.set_np()  # before the classes are imported

from autogluon_contrib_nlp.models import albert, bert, electra, mobilebert, roberta  # noqa: E402
from record_golden import Limits, Told, fill  # noqa: E402

BACKBONE = "backbone_model."
LAYER = re.compile(r"encoder\.(all_layers|all_encoder_layers|all_encoder_groups)\.(\d+)\.")
# Backbone, and what has the heads: a Dense for pairs of sentences, the decoder of masked words
CLASSES = {
    "bert_1x": (bert.BertModel, "nsp_classifier", bert.BertForPretrain, bert.BertForMLM),
    "albert_1x": (
        *(albert.AlbertModel, "sop_classifier"),
        *(albert.AlbertForPretrain, albert.AlbertForMLM),
    ),
    "electra_1x": (
        *(electra.ElectraModel, "rtd_encoder"),
        *(electra.ElectraDiscriminator, electra.ElectraGenerator),
    ),
    "mobilebert_1x": (
        *(mobilebert.MobileBertModel, "nsp_classifier"),
        *(mobilebert.MobileBertForPretrain, mobilebert.MobileBertForMLM),
    ),
    "roberta_1x": (roberta.RobertaModel, "", None, None),
}
WORDS = ("word_embed.weight", "tokens_embed.weight", "mlm_decoder.3.weight")
WORDS += ("lm_head.dense2.weight", "embedding_table.weight")
NEEDED = {  # what somebody has to tell where there is no model.yml
    "bert_1x": ["num_heads", "activation"],
    "albert_1x": ["num_heads", "activation", "num_layers"],
    "electra_1x": ["num_heads"],
    "mobilebert_1x": ["num_heads", "normalization"],
    "roberta_1x": ["num_heads"],
}


class Model:
    """The network with the arrays of a file; `limits` and `about` as record_golden.py has them."""

    def __init__(self, arrays: dict, told: Told) -> None:
        begin = len(BACKBONE)
        names = {n[begin:] if n.startswith(BACKBONE) else n: a.shape for n, a in arrays.items()}
        self.backbone, pair, with_pair, with_mlm = CLASSES[told.family]
        has_mlm = any(n.startswith("mlm_decoder.") for n in arrays)
        has_pair = bool(pair) and any(n.startswith(pair) for n in arrays)
        generator = has_mlm and told.family == "electra_1x"
        try:
            cfg = config(self.backbone, names, told, generator)
        except (KeyError, StopIteration, ValueError) as error:
            raise SystemExit(
                f"not a {told.family} written by save_parameters: missing or misshapen: {error}; "
                f"the file has {', '.join(sorted(arrays)[:3])} ..."
            ) from None
        if has_pair:
            net = with_pair(cfg)
        elif has_mlm:
            net = with_mlm(cfg, **({"tied_embeddings": False} if generator else {}))
        elif told.family == "roberta_1x":
            ends = [arrays.get(n) for n in ("tokens_embed.weight", "lm_head.dense2.weight")]
            untied = all(a is not None for a in ends) and not np.array_equal(*ends)
            net = self.backbone.from_cfg(
                cfg, use_mlm="lm_head.dense1.weight" in names, untie_weight=untied
            )
        else:
            net = self.backbone.from_cfg(cfg, use_pooler="pooler.weight" in names)
        net.initialize(mx.init.Zero())
        types = names.get("token_type_embed.weight", (0,))[0]
        self.net, self.limits = net, Limits(cfg.MODEL.vocab_size, cfg.MODEL.max_length, types)
        ids = np.zeros((1, 2), "int32")
        run(net, ids, np.ones(1, "int32"), ids if types else None)  # settles deferred shapes
        fill(net, arrays, told.family)
        kept = ("num_heads", "num_layers", "activation", "layer_norm_eps", "normalization")
        self.about = {name: cfg.MODEL[name] for name in kept if name in cfg.MODEL}
        self.about["code"] = "autogluon_contrib_nlp, " + type(net).__name__

    def run(
        self, input_ids: np.ndarray, valid_length: np.ndarray, token_types: object = None
    ) -> dict:
        """Return hidden_states and the other outputs by their words, float32."""
        return run(self.net, input_ids, valid_length, token_types)


def config(backbone: type, shapes: dict, told: Told, generator: bool) -> object:
    """Return the configuration: sizes by the shapes, the rest as told, by model.yml, by default."""
    cfg = backbone.get_cfg().clone()
    cfg.defrost()
    if told.model_yml:
        cfg.merge_from_file(told.model_yml)
        if generator:  # the file beside it is the discriminator's
            cfg.MODEL.num_heads = round(cfg.MODEL.generator_units_scale * cfg.MODEL.num_heads)
    needs = [] if told.model_yml else [n for n in NEEDED[told.family] if not getattr(told, n)]
    if needs:
        options = " ".join("--" + need.replace("_", "-") for need in needs)
        raise SystemExit(f"there is no model.yml, and no tensor tells {needs}: give {options}")
    layers = sorted({(m.group(0), int(m.group(2))) for m in map(LAYER.match, shapes) if m})
    first = next(name for name, number in layers if number == 0)
    words = next(n for n in WORDS if n in shapes)
    positions = next(n for n in shapes if n.endswith("pos_embed._embed.weight"))
    found = {"vocab_size": shapes[words][0], "embed_size": shapes[words][1]}
    found["max_length"] = shapes[positions][0]
    if "groups" in first:
        found["num_groups"] = len(layers)
    else:
        found["num_layers"] = len(layers)
    if first + "in_bottleneck_proj.weight" in shapes:
        found["inner_size"], found["units"] = shapes[first + "in_bottleneck_proj.weight"]
        inner = (n for n in shapes if n.startswith(first + "stacked_ffn."))
        stacked = [n for n in inner if n.endswith("ffn_1.weight")]
        found["hidden_size"], found["num_stacked_ffn"] = shapes[stacked[0]][0], len(stacked)
        asks = shapes[first + "attn_query.weight"][1]
        other = "from_input" if asks == found["units"] else "from_bottleneck"
        shared = first + "shared_qk.weight" in shapes
        found["bottleneck_strategy"] = "qk_sharing" if shared else other
    else:
        found["units"] = shapes[first + "attention_proj.weight"][0]
        found["hidden_size"] = shapes[first + "ffn.ffn_1.weight"][0]
    if "token_type_embed.weight" in shapes:
        found["num_token_types"] = shapes["token_type_embed.weight"][0]
    said = told._asdict()
    for name in ("num_heads", "num_layers", "activation", "layer_norm_eps", "normalization"):
        if said[name] is not None:
            found[name] = said[name]
    for name, value in found.items():
        if name in cfg.MODEL:
            cfg.MODEL[name] = value
    cfg.freeze()
    return cfg


def run(
    net: mx.gluon.Block, input_ids: np.ndarray, valid_length: np.ndarray, token_types: object
) -> dict:
    """Return hidden_states and the network's other outputs by their words, float32."""
    ids = mx.np.array(input_ids, dtype="int32")
    lengths = mx.np.array(valid_length, dtype="float32")
    if token_types is None:  # RobertaModel
        net.return_all_hiddens = net.encoder.return_all_hiddens = True
        given, states = net(ids, lengths)
        outputs = {"mlm_logits": given} if "lm_head" in net._children else {}
        outputs["hidden_states"] = mx.np.stack(states[1:])
        return {word: array.asnumpy() for word, array in outputs.items()}
    types = mx.np.array(token_types, dtype="int32")
    backbone = getattr(net, "backbone_model", net)
    outputs = {"hidden_states": hidden_states(backbone, ids, types, lengths)}
    named = {"rtd_encoder": "rtd_logits", "sop_classifier": "sop_logits"}
    named.update(nsp_classifier="nsp_logits", mlm_decoder="mlm_logits")
    words = [word for child, word in named.items() if child in net._children]
    every = []
    if "mlm_logits" in words:  # it wants (batch, n) positions to predict: here, all of them
        positions = np.broadcast_to(np.arange(input_ids.shape[1]), input_ids.shape)
        every = [mx.np.array(positions, dtype="int32")]
    given = net(ids, types, lengths, *every)
    if not isinstance(given, (list, tuple)):
        given = [given]
    if "pooler" in backbone._children:  # the others' "pooled" is the first position itself
        outputs["pooled"] = given[1]
    outputs.update(zip(words, given[len(given) - len(words) :]))  # noqa: B905
    return {word: array.asnumpy() for word, array in outputs.items()}


def hidden_states(
    backbone: mx.gluon.Block, ids: mx.np.ndarray, types: mx.np.ndarray, lengths: mx.np.ndarray
) -> mx.np.ndarray:
    """Return what each layer gives, (layers, batch, length, units).

    The backbones themselves fail when their encoder gives all, so it is called apart.
    """
    data = backbone.get_initial_embedding(mx.nd, ids, types)
    if "embed_factorized_proj" in backbone._children and not hasattr(backbone, "trigram_embed"):
        data = backbone.embed_factorized_proj(data)
    encoder = backbone.encoder
    encoder.hybridize(False)
    encoder._output_all_encodings = True
    states, _ = encoder(data, lengths)
    encoder._output_all_encodings = False
    return mx.np.stack(states[-encoder._num_layers :])  # MobileBERT's begin with the embeddings
