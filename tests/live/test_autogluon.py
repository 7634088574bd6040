"""Live: AutoGluon's own network around GluonNLP 1.x's backbones, converted, nothing of it lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import converter
from tests.live.test_1x import ATOL, HEADS, ROOT, TANH, run

pytestmark = pytest.mark.live


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Any]:
    """A backbone and the fields of `Network` (fixtures/make_autogluon.py)."""
    kind = draw(st.sampled_from(sorted(HEADS)))
    units = 4 * draw(st.integers(3, 6))
    roberta = kind == "roberta"
    told = {
        "agg_net.agg_type": draw(
            st.sampled_from(["mean", "max", "concat", "attention", "attention_token"])
        ),
        "aggregate_categorical": draw(st.booleans()),
        "base_feature_units": draw(st.sampled_from([-1, 12])),
        "text_net.use_segment_id": not roberta,
        "categorical_agg.gated_activation": draw(st.booleans()),
        "numerical_net.gated_activation": draw(st.booleans()),
    }
    return {
        "kind": kind,
        "seed": draw(st.integers(0, 2**31)),
        "units": units,
        "embed_size": draw(st.sampled_from([8, units])) if kind != "mobilebert" else 12,
        "activation": {"mobilebert": "relu", **TANH}.get(kind, "gelu"),
        "layer_norm_eps": 1e-5 if roberta else 1e-12,
        "network": {
            "categories": draw(st.lists(st.integers(2, 6), max_size=3)),
            "numerical": draw(st.integers(0, 4)),
            "classes": draw(st.integers(1, 4)),
            "settings": told,
        },
    }


def test_random_networks_of_autogluon(mxnet_1x: Path) -> None:
    """The backbone gives what it gave within AutoGluon's network; nothing around it is lost."""

    @settings(max_examples=2, phases=[Phase.generate])
    @given(st.lists(networks(), min_size=10, max_size=10))
    def check(models: list[dict[str, Any]]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "specs.json").write_text(json.dumps(models))
            run(mxnet_1x, "tests/mxnet/random_1x.py", folder, folder / "specs.json")
            for number, spec in enumerate(models):
                source, out = folder / str(number) / "net.params", folder / f"out{number}"
                config: dict[str, Any] = {"num_attention_heads": 4}
                if spec["kind"] in TANH:
                    config["hidden_act"] = "gelu_pytorch_tanh"
                if spec["kind"] == "albert":
                    config["num_hidden_layers"] = 2
                if spec["kind"] == "mobilebert":
                    config["normalization_type"] = "no_norm"
                plan = converter.convert(source, out, config=config).plan
                assert plan.table.name == f"{spec['kind']}_1x", spec
                around = {n for n in plan.index.tensors if not n.startswith("text_backbone.")}
                assert {entry.name for entry in plan.match.exported} == around
                golden = source.with_suffix(".golden.npz")
                proof = converter.verify(source, out, golden=golden, atol=ATOL).proof
                assert proof is not None
                assert proof.golden is not None

    check()


def test_a_predictor_of_real_size_needs_no_option(mxnet_1x: Path, tmp_path: Path) -> None:
    """`google_electra_small` within AutoGluon's network, as its fastest preset has it."""
    sizes = {"embed_size": 128, "units": 256, "hidden_size": 1024, "num_heads": 4}
    sizes |= {"num_layers": 12, "vocab_size": 30522, "max_length": 512}
    network = {"categories": [3, 40], "numerical": 5}
    spec = {"kind": "electra", **sizes, "network": network, "weight_std": 0.02}
    (tmp_path / "specs.json").write_text(json.dumps([spec]))
    run(mxnet_1x, "tests/mxnet/random_1x.py", tmp_path, tmp_path / "specs.json")
    folder = tmp_path / "predictor"
    folder.mkdir()
    saved = (tmp_path / "0").rename(folder / "saved_model")
    text = (ROOT / "fixtures" / "autogluon" / "cfg.yml").read_text()
    (saved / "cfg.yml").write_text(text.replace("google_electra_base", "google_electra_small"))
    report = converter.convert(folder, tmp_path / "out")
    assert report.plan.known == "google_electra_small"
    golden = saved / "net.golden.npz"
    assert converter.verify(folder, tmp_path / "out", golden=golden, atol=1e-4).passed
