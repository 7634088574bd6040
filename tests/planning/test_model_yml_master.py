"""`model.yml` beside GluonNLP master's models: nothing has to be said by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from converter.errors import PlanError
from converter.planning.file import plan_file
from tests import zoo_master

SIDE = {
    "num_layers": 2,
    "units": 24,
    "num_heads": 3,
    "recurrent": False,
    "pre_norm": False,
    "activation": "gelu",
    "use_qkv_bias": True,
}
MODELS: dict[str, dict[str, Any]] = {  # the keys of master's get_cfg
    "gpt2_lm": {
        "vocab_size": 61,
        "units": 24,
        "max_length": 20,
        "num_heads": 3,
        "num_layers": 2,
        "embed_dropout_prob": 0.1,
        "hidden_dropout_prob": 0.1,
        "attention_dropout_prob": 0.1,
        "pos_embed_type": "learned",
        "activation": "gelu(tanh)",
        "layer_norm_eps": 1e-5,
        "dtype": "float32",
        "layout": "NT",
        "compute_layout": "auto",
    },
    "bart": {
        "vocab_size": 61,
        "max_src_length": 20,
        "max_tgt_length": 20,
        "scale_embed": False,
        "pos_embed_type": "learned",
        "shared_embed": True,
        "tie_weights": True,
        "attention_dropout": 0.1,
        "activation_dropout": 0.0,
        "dropout": 0.1,
        "layer_norm_eps": 1e-5,
        "pooler_activation": "tanh",
        "data_norm": True,
        "layout": "NT",
        "dtype": "float32",
        "ENCODER": {**SIDE, "hidden_size": 40},
        "DECODER": {**SIDE, "hidden_size": 44},
    },
    "t5": {
        "vocab_size": 61,
        "d_model": 24,
        "d_kv": 7,
        "d_ff": 40,
        "num_layers": 2,
        "num_heads": 3,
        "dropout_prob": 0.1,
        "layer_norm_eps": 1e-6,
        "activation": "relu",
        "dtype": "float32",
        "layout": "NT",
    },
    "xlmr_mlm": {
        "vocab_size": 61,
        "units": 24,
        "hidden_size": 40,
        "max_length": 20,
        "num_heads": 3,
        "num_layers": 2,
        "pos_embed_type": "learned",
        "activation": "gelu",
        "pooler_activation": "tanh",
        "layer_norm_eps": 1e-5,
        "hidden_dropout_prob": 0.1,
        "attention_dropout_prob": 0.1,
        "dtype": "float32",
        "layout": "NT",
        "compute_layout": "auto",
    },
}
MODELS["mt5"] = MODELS["t5"] | {"activation": "gated-gelu"}
MODELS["roberta_mlm"] = MODELS["xlmr_mlm"]


def written(folder: Path, values: dict[str, Any]) -> Path:
    path = folder / "model.yml"
    path.write_text(yaml.safe_dump({"MODEL": values, "VERSION": 1}))
    return path


@pytest.mark.parametrize("name", MODELS)
def test_it_tells_what_the_user_would_have_to(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, MODELS[name])
    family = zoo_master.MANIFEST[name]["family"]
    plan = plan_file(zoo_master.source(name), family=family, model_config=path)
    by_hand = zoo_master.plan_of(name)
    assert {**plan.config} == {**by_hand.config}
    assert plan.steps == by_hand.steps


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bart", {"scale_embed": True}),
        ("bart", {"ENCODER": {**SIDE, "hidden_size": 40, "pre_norm": True}}),
        ("bart", {"ENCODER": {**SIDE, "hidden_size": 44}}),
        ("t5", {"activation": "gated-gelu"}),
        ("t5", {"d_kv": 8}),
        ("gpt2_lm", {"pos_embed_type": "sinusoidal"}),
        ("xlmr_mlm", {"max_length": 22}),
    ],
)
def test_what_contradicts_the_file_is_an_error(
    name: str, change: dict[str, Any], tmp_path: Path
) -> None:
    path = written(tmp_path, MODELS[name] | change)
    family = zoo_master.MANIFEST[name]["family"]
    with pytest.raises(PlanError, match=r"model\.yml: MODEL\."):
        plan_file(zoo_master.source(name), family=family, model_config=path)
