"""What GluonNLP calls its parameters, as recorded (fixtures/scopes/), and tables of such names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from converter.params import Index
from converter.table import Head, Table, Target
from converter.table_toml import load_family
from tests.indexes import make_index

FOLDER = Path(__file__).parents[1] / "fixtures" / "scopes"
RECORDED: Mapping[str, Mapping[str, Any]] = {
    path.stem.removeprefix("gluonnlp-"): json.loads(path.read_text())["models"]
    for path in sorted(FOLDER.glob("gluonnlp-*.json"))
}
MODELS = [(version, name) for version, models in RECORDED.items() for name in models]
BORT = load_family("bort")


def names_of(version: str, model: str) -> dict[str, str]:
    """Structural name → name-scope name."""
    return dict(RECORDED[version][model])


def index_of(names: Iterable[str], kind: str = "") -> Index:
    """An index of these names, each once; the shapes do not matter here."""
    return make_index({kind + name: (1,) for name in names})


def head(name: str, *sources: str, outer: bool = False, tied: str = "") -> Head:
    """A head of these tensors; another head has the same meaning only under the same first word."""
    rows = tuple(
        dataclasses.replace(BORT.rows[0], source=source, verb=name.partition("_")[0])
        for source in sources
    )
    return Head(name, rows, {tied: "word_embed.0.weight"} if tied else {}, outer, {})


def dense(path: str) -> tuple[str, str]:
    return f"{path}.weight", f"{path}.bias"


def norm(path: str) -> tuple[str, str]:
    return f"{path}.gamma", f"{path}.beta"


def table(
    name: str,
    prefixes: Iterable[str],
    rows: Iterable[str],
    heads: Iterable[Head],
    targets: Iterable[Iterable[str]],
    drop: Iterable[str] = (),
) -> Table:
    """A table of these names; what becomes of the tensors does not matter here."""
    return dataclasses.replace(
        BORT,
        name=name,
        prefixes=tuple(prefixes),
        rows=tuple(dataclasses.replace(BORT.rows[0], source=row) for row in rows),
        heads=tuple(heads),
        targets=tuple(Target("", frozenset(t), "", {}, {}) for t in targets),
        drop=dict.fromkeys(drop, "it is constant"),
    )


ENCODER = [row.source for row in BORT.rows]
MLM = [
    *dense("decoder.0"),
    *norm("decoder.2"),
    "decoder.3.bias",
]
BERT = table(
    "bert",
    ["", "bert.", "bert_model."],
    [*ENCODER, "token_type_embed.0.weight"],
    [
        head("pooler", *dense("pooler")),
        head("nsp", *dense("classifier")),
        head("mlm", *MLM, tied="decoder.3.weight"),
        head("classifier", *dense("classifier.1"), outer=True),
        head("classifier_no_dropout", *dense("classifier.0"), outer=True),
        head("regression", *dense("regression.1"), outer=True),
        head("regression_no_dropout", *dense("regression.0"), outer=True),
        head("qa", *dense("span_classifier"), outer=True),
        head("tagger", *dense("tag_classifier"), outer=True),
        head("intents", *dense("intent_classifier.1"), outer=True),
        head("slots", *dense("slot_tagger.1"), outer=True),
    ],
    [
        *([], ["pooler"], ["pooler", "nsp"], ["mlm"], ["pooler", "nsp", "mlm"]),
        *(["pooler", "classifier"], ["pooler", "classifier_no_dropout"]),
        *(["pooler", "regression"], ["pooler", "regression_no_dropout"]),
        *(["qa"], ["tagger"], ["pooler", "intents", "slots"]),
    ],
)
ROBERTA = table(
    "roberta",
    ["", "roberta."],
    ENCODER,
    [
        head("mlm", *MLM, tied="decoder.3.weight"),
        head("classifier", *dense("classifier.1"), *dense("classifier.3"), outer=True),
        head("classifier_no_dropout", *dense("classifier.0"), *dense("classifier.1"), outer=True),
    ],
    [[], ["mlm"], ["classifier"], ["classifier_no_dropout"]],
)
DISTILBERT = table("distilbert", [""], ENCODER, [], [[]])
GPT2 = table(
    "gpt2",
    [""],
    [
        "_embed.weight",
        "_pos_embed.weight",
        *dense("_self_attention_layers.{i}._multi_head_qkv_proj"),
        *dense("_self_attention_layers.{i}._out_proj"),
        *dense("_ffn_layers.{i}._hidden_map"),
        *dense("_ffn_layers.{i}._out_map"),
        *norm("_attn_ln.{i}"),
        *norm("_ffn_ln.{i}"),
        *norm("_final_ln"),
    ],
    [head("lm", tied="_logits_proj.weight")],
    [["lm"]],
)
CELL = "transformer_cells.{i}"
XLNET = table(
    "xlnet",
    ["_net.", "xlnet._net."],
    [
        *("word_embed.weight", "mask_embed", "decoder.bias"),
        *(f"{CELL}.attention_cell.proj_{name}.weight" for name in ("query", "key", "value", "emb")),
        *(f"{CELL}.attention_cell.query_{name}_bias" for name in ("key", "emb", "seg")),
        *(f"{CELL}.attention_cell.seg_emb", f"{CELL}.proj.weight"),
        *dense(f"{CELL}.ffn.ffn_1"),
        *dense(f"{CELL}.ffn.ffn_2"),
        *norm(f"{CELL}.layer_norm"),
        *norm(f"{CELL}.ffn.layer_norm"),
    ],
    [
        head("lm", tied="decoder.weight"),
        head("classifier", *dense("classifier.1"), *dense("pooler"), outer=True),
        head("classifier_no_dropout", *dense("classifier.0"), *dense("pooler"), outer=True),
    ],
    [["lm"], ["lm", "classifier"], ["lm", "classifier_no_dropout"]],
    ["pos_embed.inv_freq"],
)
TABLES = {"bort": BORT, "ernie": BERT, "roberta": ROBERTA, "distilbert": DISTILBERT}
TABLES |= {"gpt2": GPT2, "xlnet": XLNET}


def table_of(model: str) -> Table:
    return TABLES.get(model.partition("_")[0], BERT)
