"""Live: GluonNLP 1.x itself against our arithmetic and the converted models, and our fixtures."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import converter
from tests import zoo, zoo_1x

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
ATOL = 1e-5
HEADS = {
    "bert": ["", "_mlm", "_pretrain"],
    "albert": ["", "_mlm", "_pretrain"],
    "electra": ["", "_disc", "_gen"],
    "mobilebert": ["", "_mlm", "_pretrain"],
    "roberta": [""],
}


def run(python: Path, *arguments: str | Path) -> None:
    command = [str(python), "-W", "ignore", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of `Model` (fixtures/models_1x.py), and whether it is saved deduplicated."""
    family = draw(st.sampled_from(sorted(HEADS)))
    kind = family + draw(st.sampled_from(HEADS[family]))
    num_heads, num_groups = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    units = num_heads * draw(st.integers(2, 8))
    embed_size = draw(st.sampled_from([units, draw(st.integers(2, 20))]))
    inner_size = num_heads * draw(st.integers(1, 4))
    if family == "mobilebert":  # the sizes tell its strategies apart, and the head has its rest
        units, embed_size = inner_size + draw(st.integers(1, 9)), inner_size
        num_groups = 1  # its values grow with every layer: no_norm norms nothing
    of_one_gelu = kind == "electra_gen" or family == "roberta"  # Transformers' heads know one
    return {
        "kind": kind,
        "seed": draw(st.integers(0, 2**31)),
        "num_layers": num_groups * draw(st.integers(1, 2)),
        "num_heads": num_heads,
        "units": units,
        "hidden_size": draw(st.integers(1, 70)),
        "embed_size": embed_size,
        "inner_size": inner_size,
        "num_stacked_ffn": draw(st.integers(1, 4)),
        "normalization": draw(st.sampled_from(["no_norm", "layer_norm"])),
        "bottleneck_strategy": draw(st.sampled_from(["qk_sharing", "from_bottleneck"])),
        "max_length": draw(st.integers(2, 30)),
        "vocab_size": draw(st.integers(3, 90)),
        "num_token_types": draw(st.integers(1, 4)),
        "num_groups": num_groups,
        "activation": "gelu" if of_one_gelu else draw(st.sampled_from(ACTIVATIONS)),
        # 1e-12 with layer_norm is the limit that the table of MobileBERT states
        "layer_norm_eps": draw(st.sampled_from([1e-5] if family == "mobilebert" else EPSILONS)),
        "use_pooler": draw(st.booleans()),
        "use_mlm": draw(st.booleans()),
        "untie_weight": family == "roberta" and draw(st.booleans()),
        "deduplicated": draw(st.booleans()),
    }


TANH = {"bert": "gelu(tanh)", "albert": "gelu(tanh)"}  # as the zoo has them
EPSILONS = [1e-12, 1e-5]
ACTIVATIONS = ["gelu", "gelu(tanh)", "gelu(sigmoid)", "relu", "tanh"]


def untied(spec: Mapping[str, Any]) -> bool:
    """A decoder of its own: no file but the weights tells it, so the user does."""
    return bool(spec["untie_weight"] and spec["use_mlm"])


def test_random_models(mxnet_1x: Path) -> None:
    """Each model directory converts with no option, and gives what GluonNLP itself gave."""

    @settings(max_examples=3, phases=[Phase.generate])
    @given(st.lists(specs(), min_size=12, max_size=12))
    def check(models: list[dict[str, Any]]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "specs.json").write_text(json.dumps(models))
            run(mxnet_1x, "tests/mxnet/random_1x.py", folder, folder / "specs.json")
            for number, spec in enumerate(models):
                source = folder / str(number) / "model.params"
                golden = source.with_suffix(".golden.npz")
                recording = zoo.read_recording(golden)
                family = spec["kind"].split("_")[0] + "_1x"
                found = zoo.worst(recording, zoo_1x.run(source, family, recording))
                assert all(value <= ATOL for value in found.values()), (spec, found)
                out = folder / f"out{number}"
                told = {"tie_word_embeddings": False} if untied(spec) else {}
                report = converter.convert(source.parent, out, config=told)
                assert report.plan.table.name == family
                proof = converter.verify(source.parent, out, golden=golden, atol=ATOL).proof
                assert proof is not None
                assert proof.golden is not None

    check()


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
                plan = converter.convert(source, out, config=config).plan
                assert plan.table.name == f"{spec['kind']}_1x", spec
                around = {n for n in plan.index.tensors if not n.startswith("text_backbone.")}
                assert {entry.name for entry in plan.exported} == around
                golden = source.with_suffix(".golden.npz")
                proof = converter.verify(source, out, golden=golden, atol=ATOL).proof
                assert proof is not None
                assert proof.golden is not None

    check()


def test_a_predictor_of_real_size_needs_no_option(mxnet_1x: Path, tmp_path: Path) -> None:
    """`google_electra_small` within AutoGluon's network, as its fastest preset has it."""
    sizes = {"embed_size": 128, "units": 256, "hidden_size": 1024, "num_heads": 4}
    sizes |= {"num_layers": 12, "vocab_size": 30522, "max_length": 512}
    network = {"categories": [3, 40], "numerical": 5, "weight_std": 0.02}
    spec = {"kind": "electra", **sizes, "network": network}
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


def test_an_untied_decoder_is_proven_with_transformers_4(
    transformers_4: Path, tmp_path: Path
) -> None:
    source = zoo_1x.source("roberta_mlm_untied/model").parent
    told = ["--config", "tie_word_embeddings=false", "--quiet"]
    run(transformers_4, "-m", "converter", "--src", source, "--dst", tmp_path / "out", *told)


@pytest.mark.parametrize("folder", ["zoo_1x", "autogluon"])
def test_the_fixtures_are_what_real_mxnet_makes(
    folder: str, mxnet_1x: Path, tmp_path: Path
) -> None:
    """Weights and configurations byte for byte; recordings to the last bits on another CPU."""
    maker = {"zoo_1x": "make_1x.py", "autogluon": "make_autogluon.py"}[folder]
    run(mxnet_1x, f"fixtures/{maker}", tmp_path)
    fixtures = ROOT / "fixtures" / folder
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")}
    assert made == {path.relative_to(fixtures) for path in fixtures.rglob("*.*")} - {
        Path("cfg.yml")
    }
    for path in made:
        ours = fixtures / path
        if path.suffix != ".npz":
            assert (tmp_path / path).read_bytes() == ours.read_bytes(), path
            continue
        recording, recorded = zoo.read_recording(tmp_path / path), zoo.read_recording(ours)
        assert recording.about == recorded.about
        assert recording.named.keys() == recorded.named.keys()
        np.testing.assert_allclose(recording.hidden_states, recorded.hidden_states, atol=ATOL)
        for word, array in recording.named.items():
            np.testing.assert_allclose(array, recorded.named[word], atol=ATOL)
