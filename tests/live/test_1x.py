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
from tests import zoo, zoo_1x, zoo_master

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
        # no_norm lets values grow to hundreds, where float32 itself is off by 1e-4 on both sides
        "weight_std": 0.08 if family == "mobilebert" else 0.2,
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
def barts(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of `Bart` (fixtures/bart_1x.py), and whether it is saved deduplicated."""
    heads = {side: draw(st.sampled_from([1, 2, 4])) for side in ("enc", "dec")}
    sizes: dict[str, Any] = {"units": 4 * draw(st.integers(2, 8))}
    for side, number in heads.items():
        sizes[f"{side}_num_heads"] = number
        sizes[f"{side}_num_layers"] = draw(st.integers(1, 3))
        sizes[f"{side}_hidden_size"] = draw(st.integers(1, 60))
    return sizes | {
        "seed": draw(st.integers(0, 2**31)),
        "vocab_size": draw(st.integers(3, 90)),
        "max_length": draw(st.integers(2, 30)),
        "activation": draw(st.sampled_from(["gelu", "relu"])),
        "tie_weights": draw(st.booleans()),
        "deduplicated": draw(st.booleans()),
    }


def test_barts_of_the_packages_blocks_have_the_names_of_the_real_one(
    mxnet_1x: Path, tmp_path: Path
) -> None:
    """Their sizes are those of `fixtures/zoo_1x_master/bart*`, which BartModel itself wrote."""
    names = ["bart", "bart_deduplicated", "bart_untied", "bart_untied_deduplicated"]
    specs = [
        {"tie_weights": "untied" not in n, "deduplicated": n.endswith("deduplicated")}
        for n in names
    ]
    (tmp_path / "specs.json").write_text(json.dumps(specs))
    run(mxnet_1x, "tests/mxnet/random_1x.py", tmp_path, tmp_path / "specs.json")
    for number, name in enumerate(names):
        made = converter.inspect(tmp_path / str(number) / "model.params").index.tensors
        real = converter.inspect(zoo_master.source(name)).index.tensors
        assert {n: (e.dtype, e.shape) for n, e in made.items()} == {
            n: (e.dtype, e.shape) for n, e in real.items()
        }


def test_random_barts(mxnet_1x: Path) -> None:
    """Out of the package's own blocks (fixtures/bart_1x.py)."""

    @settings(max_examples=2, phases=[Phase.generate])
    @given(st.lists(barts(), min_size=8, max_size=8))
    def check(models: list[dict[str, Any]]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "specs.json").write_text(json.dumps(models))
            run(mxnet_1x, "tests/mxnet/random_1x.py", folder, folder / "specs.json")
            for number, spec in enumerate(models):
                source = folder / str(number) / "model.params"
                config: dict[str, Any] = {
                    "encoder_attention_heads": spec["enc_num_heads"],
                    "decoder_attention_heads": spec["dec_num_heads"],
                    "activation_function": spec["activation"],
                }
                if not spec["tie_weights"]:
                    config["tie_word_embeddings"] = False
                report = converter.convert(source, folder / f"out{number}", config=config)
                assert report.plan.table.name == "bart_1x", spec
                golden = source.with_suffix(".golden.npz")
                recording = zoo.read_recording(golden)
                found = zoo.worst(recording, zoo_1x.run(source, "bart_1x", recording))
                assert all(value <= ATOL for value in found.values()), (spec, found)
                out = folder / f"out{number}"
                proof = converter.verify(source, out, golden=golden, atol=ATOL).proof
                assert proof is not None
                assert proof.golden is not None

    check()


def test_an_untied_decoder_is_proven_with_transformers_4(
    transformers_4: Path, tmp_path: Path
) -> None:
    source = zoo_1x.source("roberta_mlm_untied/model").parent
    told = ["--config", "tie_word_embeddings=false", "--quiet"]
    run(transformers_4, "-m", "converter", "--src", source, "--dst", tmp_path / "out", *told)


OF_THE_WHEEL = ("electra_v1", "mobilebert_v1")


@pytest.mark.parametrize("folder", ["zoo_1x", "autogluon"])
def test_the_fixtures_are_what_real_mxnet_makes(
    folder: str, mxnet_1x: Path, tmp_path: Path
) -> None:
    """Weights and configurations byte for byte; recordings to the last bits on another CPU.

    Those of make_autogluon_v1.py are not made here: it needs a wheel of AutoGluon's.
    """
    maker = {"zoo_1x": "make_1x.py", "autogluon": "make_autogluon.py"}[folder]
    run(mxnet_1x, f"fixtures/{maker}", tmp_path)
    fixtures = ROOT / "fixtures" / folder
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")}
    kept = {path.relative_to(fixtures) for path in fixtures.rglob("*.*")} - {Path("cfg.yml")}
    assert made == {path for path in kept if path.parent.name not in OF_THE_WHEEL}
    for path in made:
        ours = fixtures / path
        if path.name == "manifest.json":
            told = json.loads(ours.read_text())
            of_the_wheel = {name for name in told if name.split("/")[0] in OF_THE_WHEEL}
            made_of = {name: entry for name, entry in told.items() if name not in of_the_wheel}
            assert json.loads((tmp_path / path).read_text()) == made_of
            continue
        if path.suffix != ".npz":
            assert (tmp_path / path).read_bytes() == ours.read_bytes(), path
            continue
        recording, recorded = zoo.read_recording(tmp_path / path), zoo.read_recording(ours)
        assert recording.about == recorded.about
        assert recording.named.keys() == recorded.named.keys()
        np.testing.assert_allclose(recording.hidden_states, recorded.hidden_states, atol=ATOL)
        for word, array in recording.named.items():
            np.testing.assert_allclose(array, recorded.named[word], atol=ATOL)
