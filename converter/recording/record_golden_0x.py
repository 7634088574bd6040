"""Run a Bort, BERT, ERNIE, RoBERTa or DistilBERT by the classes of GluonNLP 0.8 to 0.10.

record_golden.py uses it. alexa/bort's BortModel is what GluonNLP's RoBERTaModel is: a BERTModel
without token types, pooler and next-sentence classifier; so is DistilBERTModel, without a decoder.
Heads stand around the model under the attribute names of GluonNLP's scripts, and are Denses.
"""

import re

import gluonnlp
import mxnet as mx
import numpy as np
from record_golden import Limits, Told, fill

# GluonNLP model/bert.py, and alexa/bort bort/bort.py: epsilon and activation of the family's models
SETTINGS = {
    "bort": (1e-5, "gelu"),
    "bert": (1e-12, "gelu"),
    "ernie": (1e-5, "relu"),
    "roberta": (1e-5, "gelu"),
    "distilbert": (1e-5, "gelu"),
}
TYPES = "token_type_embed.0.weight"
CELL = "encoder.transformer_cells."
HEAD = re.compile(r"(classifier|regression|intent_classifier|slot_tagger)\.(\d+)\.(weight|bias)")


class Model:
    """The network with the arrays of a file; `limits` and `about` as record_golden.py has them."""

    def __init__(self, arrays: dict, told: Told) -> None:
        version = gluonnlp.__version__
        if not version.startswith(("0.8.", "0.9.", "0.10.")):
            raise SystemExit(f"gluonnlp {version}: use 0.8, 0.9 or 0.10")
        if told.family == "bort" and version.startswith("0.9."):
            raise SystemExit(
                f"gluonnlp {version}: use 0.8.3 or 0.10.0 (0.9.0 to 0.9.2 load the same files but "
                "scramble the query, key and value biases; no Bort was trained so)"
            )
        if told.num_heads is None:
            raise SystemExit("the number of heads is in no tensor: --num-heads N")
        found = [n for n in arrays if n.endswith("encoder.position_weight")]
        if len(found) != 1:
            raise SystemExit(
                f"not a {told.family} written by save_parameters: {len(found)} names end in "
                f"encoder.position_weight; the file has {', '.join(sorted(arrays)[:3])} ..."
            )
        prefix = found[0][: -len("encoder.position_weight")]
        self.inner = {n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)}
        self.heads = {n: a for n, a in arrays.items() if not n.startswith(prefix)}
        self.heads = {n: mx.nd.array(a, dtype="float32") for n, a in self.heads.items()}
        self._build(told)
        fill(self.net, self.inner, told.family)

    def _build(self, told: Told) -> None:
        shapes = {name: array.shape for name, array in self.inner.items()}
        eps, activation = SETTINGS[told.family]
        eps = eps if told.layer_norm_eps is None else told.layer_norm_eps
        activation = told.activation or activation
        try:
            max_length, units = shapes["encoder.position_weight"]
            hidden_size, _ = shapes[CELL + "0.ffn.ffn_1.weight"]
            # save_parameters(deduplicate=True) keeps a tied tensor under its last name only
            vocab_size, _ = shapes.get("word_embed.0.weight") or shapes["decoder.3.weight"]
        except (KeyError, ValueError) as error:
            raise SystemExit(f"not a {told.family}: missing or misshapen: {error}") from None
        if units % told.num_heads:
            raise SystemExit(f"{told.num_heads} heads do not divide {units} units")
        encoder = gluonnlp.model.BERTEncoder(
            num_layers=sum(n.startswith(CELL) and n.endswith("ffn_1.weight") for n in shapes),
            units=units,
            hidden_size=hidden_size,
            max_length=max_length,
            num_heads=told.num_heads,
            activation=activation,
            layer_norm_eps=eps,
            output_all_encodings=True,
        )
        common = {"vocab_size": vocab_size, "units": units, "embed_size": units}
        self.decodes = "decoder.3.bias" in shapes
        if TYPES in shapes:
            self.net = gluonnlp.model.BERTModel(
                encoder,
                token_type_vocab_size=shapes[TYPES][0],
                use_pooler="pooler.weight" in shapes,
                use_classifier="classifier.weight" in shapes,
                use_decoder=self.decodes,
                **common,
            )
        else:
            self.net = gluonnlp.model.RoBERTaModel(encoder, use_decoder=self.decodes, **common)
        self.net.initialize(mx.init.Zero())
        token_types = shapes[TYPES][0] if TYPES in shapes else 0
        self.limits = Limits(vocab_size, max_length, token_types)
        self.words = ["hidden_states"]  # what the network gives, in order
        self.words += ["pooled"] * ("pooler.weight" in shapes)
        self.words += ["nsp_logits"] * ("classifier.weight" in shapes)
        self.words += ["mlm_logits"] * self.decodes
        scrambled = gluonnlp.__version__.startswith("0.9.")
        self.about = {
            "gluonnlp": gluonnlp.__version__,
            "code": "gluonnlp, " + type(self.net).__name__,
            "num_heads": told.num_heads,
            "activation": activation,
            "layer_norm_eps": eps,
            # GluonNLP 0.8.3 ignores the encoder's epsilon here (1e-12); 0.10.0 uses it
            "decoder_layer_norm_eps": self.net.decoder[2]._epsilon if self.decodes else None,
            "attention_biases": "scrambled" if scrambled else "plain",  # 0.9.0 to 0.9.2
        }

    def run(
        self, input_ids: np.ndarray, valid_length: np.ndarray, token_types: object = None
    ) -> dict:
        """Return hidden_states and the other outputs by their words, float32."""
        inputs = [mx.nd.array(input_ids, dtype="int32")]
        if token_types is not None:
            inputs.append(mx.nd.array(token_types, dtype="int32"))
        inputs.append(mx.nd.array(valid_length, dtype="float32"))
        every = {}
        if self.decodes:  # it wants (batch, n) positions to predict: here, all of them
            positions = np.broadcast_to(np.arange(input_ids.shape[1]), input_ids.shape)
            every = {"masked_positions": mx.nd.array(positions, dtype="int32")}
        given = self.net(*inputs, **every)
        outputs = dict(zip(self.words, given if len(self.words) > 1 else [given]))  # noqa: B905
        states = outputs["hidden_states"]
        outputs.update(run_heads(self.heads, states[-1], outputs.get("pooled")))
        outputs["hidden_states"] = mx.nd.stack(*states)
        return {word: array.asnumpy() for word, array in outputs.items()}


def run_heads(heads: dict, sequence: mx.nd.NDArray, pooled: object) -> dict:
    """Return what the heads give; `sequence` (batch, length, units), `pooled` (batch, units)."""
    left = dict(heads)

    def dense(name: str, data: mx.nd.NDArray) -> mx.nd.NDArray:
        weight, bias = left.pop(name + ".weight"), left.pop(name + ".bias")
        return mx.nd.FullyConnected(data, weight, bias, num_hidden=weight.shape[0], flatten=False)

    def numbered(name: str) -> list:
        matches = (HEAD.fullmatch(key) for key in heads)
        numbers = {int(m.group(2)) for m in matches if m and m.group(1) == name}
        return [f"{name}.{number}" for number in sorted(numbers)]

    outputs = {}
    for name in ("classifier", "regression"):
        layers = numbered(name)
        if len(layers) == 2:  # BortClassifier, RoBERTaClassifier: on position 0, tanh between
            pooled = mx.nd.tanh(dense(layers[0], sequence[:, 0]))
        if layers:
            outputs["logits"] = dense(layers[-1], pooled)
    for name in numbered("intent_classifier"):
        outputs["intent_logits"] = dense(name, pooled)
    for name in numbered("slot_tagger"):
        outputs["slot_logits"] = dense(name, sequence)
    if "span_classifier.weight" in left:
        start, end = dense("span_classifier", sequence).split(2, axis=2, squeeze_axis=True)
        outputs.update(start_logits=start, end_logits=end)
    if "tag_classifier.weight" in left:
        outputs["token_logits"] = dense("tag_classifier", sequence)
    if left:
        raise SystemExit(f"not known what {sorted(left)[:5]} are for: --prefix leaves them out")
    return outputs
