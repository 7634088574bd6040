"""GluonNLP's own settings, by family and version: what the reference is called with.

A table names its reference and says nothing of it, so that a mistake in a table's `[config]` is
seen: the two sides of parity get their settings from two places. The sources are those that the
module of each forward pass cites; where a family or a version departs from its class's defaults,
the place is beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from converter.errors import TableError

if TYPE_CHECKING:
    from converter.planning.plan import TablePlan

Value = str | int | float


@dataclass(frozen=True)
class Setting:
    """GluonNLP's own `value`; a user's `--config` of the field `config` replaces it, on both sides.

    So does what `model.yml` says under the key `model_yml`, in GluonNLP's own words. Without a
    value only these, or a model of known sizes, tell it: the plan lists it as assumed, or asks.
    """

    value: Value | None = None
    config: str = ""
    model_yml: str = ""


@dataclass(frozen=True)
class Reference:
    """A forward pass (`forward` in the module of that name) and the settings of one family.

    `versions` replaces values under some releases of GluonNLP; of several that match, the longest
    name counts. `known` has the values of published models by their names. `inexpressible` are the
    settings that a Transformers class may lack, each with the output in which that is measured.
    """

    forward: str
    settings: Mapping[str, Setting]
    versions: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    known: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    inexpressible: Mapping[str, str] = field(default_factory=dict)


def _heads(**models: int) -> dict[str, Mapping[str, Value]]:
    return {name: {"num_heads": heads} for name, heads in models.items()}


HEADS = Setting(config="num_attention_heads")
# v0.9.2 model/attention_cell.py, DotProductSelfAttentionCell; put right in 0.10.0 (#1296)
SCRAMBLED: Mapping[str, Value] = {"attention_biases": "scrambled"}
# v0.9.0 model/bert.py: the LayerNorm of the embeddings ignores layer_norm_eps
OWN_EMBEDDING: Mapping[str, Value] = {**SCRAMBLED, "embedding_layer_norm_eps": 1e-12}
OUTPUT_OF_DECODER = {"decoder_layer_norm_eps": "mlm_logits"}
OUTPUT_OF_EMBEDDING = {"embedding_layer_norm_eps": "embeddings"}


def _bert(activation: str, eps: float) -> dict[str, Setting]:
    return {
        "num_heads": HEADS,
        "activation": Setting(activation, "hidden_act"),
        "layer_norm_eps": Setting(eps, "layer_norm_eps"),
        # v0.8.3 model/bert.py: _get_decoder builds BERTLayerNorm with its default
        "decoder_layer_norm_eps": Setting(1e-12),
        "embedding_layer_norm_eps": Setting(eps, "layer_norm_eps"),
        "attention_biases": Setting("plain"),
    }


def _model_yml(activation: str | None, eps: float, model_yml: bool = True) -> dict[str, Setting]:
    """The encoders of 1.x; `model.yml` says more than the class's defaults."""
    return {
        "num_heads": Setting(None, "num_attention_heads", "MODEL.num_heads" if model_yml else ""),
        "activation": Setting(activation, "hidden_act", "MODEL.activation"),
        "layer_norm_eps": Setting(eps, "layer_norm_eps", "MODEL.layer_norm_eps"),
    }


def _gpt2(section: str) -> dict[str, Setting]:
    """Which GELU, no tensor tells: others than OpenAI's were trained with the one by erf."""
    keys = {"num_heads", "activation", "layer_norm_eps"}
    named = {key: f"{section}.{key}" if section else "" for key in keys}
    return {
        "num_heads": Setting(None, "n_head", named["num_heads"]),
        "activation": Setting(None, "activation_function", named["activation"]),
        "layer_norm_eps": Setting(1e-5, "layer_norm_epsilon", named["layer_norm_eps"]),
    }


def _openai(**models: int) -> dict[str, Mapping[str, Value]]:
    """By tanh: v0.9.0 scripts/text_generation/model/gpt.py, and OpenAI's released weights."""
    own = _heads(**models)
    return {name: {**values, "activation": "gelu_tanh"} for name, values in own.items()}


def _t5(activation: str, logits: bool) -> dict[str, Setting]:
    """`logits`: T5Inference multiplies its logits by nothing. mT5's file lacks the LM head."""
    return {
        "logits_exponent": Setting(0 if logits else None),
        "activation": Setting(activation),  # PositionwiseFFN; gated in mT5
        "layer_norm_eps": Setting(1e-6, "layer_norm_epsilon", "MODEL.layer_norm_eps"),
        "max_distance": Setting(128, "relative_attention_max_distance"),  # RelAttentionScoreCell
    }


# The one value that Transformers has in place of a setting: the difference may be of any size then
EXACT: Mapping[str, Value] = {"logits_exponent": -0.5}
ROBERTA_1X = _heads(fairseq_roberta_base=12, fairseq_roberta_large=16)

REFERENCES: Mapping[str, Reference] = {
    # alexa/bort bort/bort.py (predefined_borts); it ran under GluonNLP 0.8.3 alone
    "bort": Reference(
        "bert",
        _bert("gelu", 1e-5),
        known=_heads(bort_4_8_768_1024=8, bort_2_16_512_1024=16),
        inexpressible=OUTPUT_OF_DECODER,
    ),
    "bert": Reference(
        "bert",
        # All epsilons of a BERT are one, whatever its user says it is
        {**_bert("gelu", 1e-12), "decoder_layer_norm_eps": Setting(1e-12, "layer_norm_eps")},
        {"0.9": SCRAMBLED},
        _heads(bert_12_768_12=12, bert_24_1024_16=16),
    ),
    "roberta": Reference(
        "bert",
        _bert("gelu", 1e-5),
        {
            "0.10": {"decoder_layer_norm_eps": 1e-5},  # v0.10.0 model/bert.py: the encoder's
            "0.9": {**SCRAMBLED, "decoder_layer_norm_eps": 1e-5},  # so in 0.9.2 too
            "0.9.0": OWN_EMBEDDING,
            "0.9.1": OWN_EMBEDDING,
        },
        _heads(roberta_12_768_12=12, roberta_24_1024_16=16),
        OUTPUT_OF_DECODER | OUTPUT_OF_EMBEDDING,
    ),
    "distilbert": Reference(
        "bert",
        _bert("gelu", 1e-5),
        {"0.9": SCRAMBLED, "0.9.0": OWN_EMBEDDING, "0.9.1": OWN_EMBEDDING},
        _heads(distilbert_6_768_12=12),
        OUTPUT_OF_EMBEDDING,
    ),
    "ernie": Reference(
        "bert",
        _bert("relu", 1e-5),  # v0.8.3 model/bert.py, ernie_hparams
        {"0.9": SCRAMBLED, "0.9.0": OWN_EMBEDDING, "0.9.1": OWN_EMBEDDING},
        _heads(ernie_12_768_12=12),
        OUTPUT_OF_EMBEDDING,
    ),
    "gpt2": Reference("gpt2", _gpt2(""), known=_openai(gpt2_117m=12, gpt2_345m=16)),
    "xlnet": Reference(
        "xlnet",
        {
            # v0.10.0 transformer.py: the zoo's two models differ, and no file tells
            "activation": Setting(None, "ff_activation"),
            "layer_norm_eps": Setting(1e-12, "layer_norm_eps"),
        },
        known={
            "xlnet_cased_l12_h768_a12": {"activation": "gelu"},
            "xlnet_cased_l24_h1024_a16": {"activation": "gelu_tanh"},
        },
    ),
    "bert_1x": Reference(
        "encoder_1x",
        _model_yml(None, 1e-12),
        known=_heads(google_bert_base=12, google_bert_large=16),
    ),
    "albert_1x": Reference(
        "encoder_1x",
        {
            **_model_yml(None, 1e-12),
            "num_layers": Setting(None, "num_hidden_layers", "MODEL.num_layers"),
        },
        known={
            f"google_albert_{size}_v2": {"num_heads": heads, "num_layers": layers}
            for size, heads, layers in (
                *(("base", 12, 12), ("large", 16, 24)),
                *(("xlarge", 16, 24), ("xxlarge", 64, 12)),
            )
        },
    ),
    "electra_1x": Reference(
        "encoder_1x",
        _model_yml(
            "gelu", 1e-12, model_yml=False
        ),  # a generator has fewer heads than the file says
        known=_heads(
            **{"google_electra_small": 4, "google_electra_base": 12, "google_electra_large": 16},
            **{"google_electra_base generator": 4, "google_electra_large generator": 4},
        ),
    ),
    "mobilebert_1x": Reference(
        "mobilebert_1x",
        {
            **_model_yml("relu", 1e-12),
            # No tensor tells: no_norm (get_cfg) and layer_norm have the same ones
            "normalization": Setting(None, "normalization_type", "MODEL.normalization"),
            "outer_layer_norm_eps": Setting(1e-12, "layer_norm_eps", "MODEL.layer_norm_eps"),
        },
        known={"google_uncased_mobilebert": {"num_heads": 4, "normalization": "no_norm"}},
        inexpressible={"outer_layer_norm_eps": "embeddings"},
    ),
    "roberta_1x": Reference("roberta_1x", _model_yml("gelu", 1e-5), known=ROBERTA_1X),
    "roberta_1x_master": Reference("xlmr_1x", _model_yml("gelu", 1e-5), known=ROBERTA_1X),
    "xlmr_1x": Reference(
        "xlmr_1x",
        _model_yml("gelu", 1e-5),
        known=_heads(fairseq_xlmr_base=12, fairseq_xlmr_large=16),
    ),
    "gpt2_1x": Reference(
        "gpt2",
        _gpt2("MODEL"),
        known=_openai(gpt2_124M=12, gpt2_355M=16, gpt2_774M=20, gpt2_1558M=25),
    ),
    "bart_1x": Reference(
        "bart_1x",
        {
            "encoder_heads": Setting(None, "encoder_attention_heads", "MODEL.ENCODER.num_heads"),
            "decoder_heads": Setting(None, "decoder_attention_heads", "MODEL.DECODER.num_heads"),
            "activation": Setting("gelu", "activation_function", "MODEL.ENCODER.activation"),
            "layer_norm_eps": Setting(1e-5),  # no field of Transformers' config
        },
        known={
            "fairseq_bart_base": {"encoder_heads": 12, "decoder_heads": 12},
            "fairseq_bart_large": {"encoder_heads": 16, "decoder_heads": 16},
        },
    ),
    "t5_1x": Reference(
        "t5_1x", _t5("relu", logits=True), inexpressible={"logits_exponent": "lm_logits"}
    ),
    "mt5_1x": Reference("t5_1x", _t5("gelu_tanh", logits=False)),
}


def reference_of(plan: TablePlan) -> Reference:
    """The reference that the plan's table names. Raises `TableError` for an unknown one.

    So it does for a known difference in a setting that Transformers' classes do not lack, or in
    another output: such a difference would excuse any mistake.
    """
    table = plan.table
    found = REFERENCES.get(table.reference)
    if found is None:
        raise TableError(
            f"{table.origin}: there is no reference {table.reference!r}; "
            f"there are: {', '.join(REFERENCES)}"
        )
    for known in table.known_differences:
        if found.inexpressible.get(known.setting) != known.output:
            there = ", ".join(f"{s} in {output}" for s, output in found.inexpressible.items())
            raise TableError(
                f"{table.origin}: [[known_difference]] {known.setting} in {known.output}: with the "
                f"reference {table.reference!r} there can be: {there or 'none'}"
            )
    return found


def source_settings(plan: TablePlan) -> dict[str, Any]:
    """GluonNLP's own settings for the version that the user gave, and for a model of known sizes.

    A field that the user gave in `--config` wins, then what `model.yml` says, in its own words.
    """
    reference = reference_of(plan)
    own = {**reference.known.get(plan.known or "", {}), **_of_version(reference, plan.gluonnlp)}
    stated = plan.model_config.values if plan.model_config else {}
    settings: dict[str, Any] = {}
    for name, setting in reference.settings.items():
        value = stated.get(setting.model_yml, own.get(name, setting.value))
        told = value is None or setting.config in plan.overrides
        settings[name] = plan.config[setting.config] if told and setting.config else value
    return settings


def _of_version(reference: Reference, gluonnlp: str | None) -> Mapping[str, Value]:
    """The values of a release, such as "0.9.2"; those of "0.9" where it has none of its own."""
    names = [n for n in reference.versions if gluonnlp and f"{gluonnlp}.".startswith(f"{n}.")]
    return reference.versions[max(names, key=len)] if names else {}


def expressible_settings(plan: TablePlan) -> dict[str, Any]:
    """In place of settings that Transformers cannot express, so that the mapping is judged.

    The difference this makes is measured on its own: `parity.MeasuredDifference`.
    """
    found = {
        known.setting: plan.config[known.config] if known.value is None else known.value
        for known in plan.table.known_differences
    }
    return {name: EXACT.get(name, value) for name, value in found.items()}
