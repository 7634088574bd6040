"""Live: GluonNLP 1.x itself against our arithmetic and the converted models, and our fixtures."""

from __future__ import annotations

import json
import subprocess
import tempfile
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
        "deduplicated": draw(st.booleans()),
    }


EPSILONS = [1e-12, 1e-5]
ACTIVATIONS = ["gelu", "gelu(tanh)", "gelu(sigmoid)", "relu", "tanh"]


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
                assert converter.convert(source.parent, out).plan.table.name == family
                proof = converter.verify(source.parent, out, golden=golden, atol=ATOL).proof
                assert proof is not None
                assert proof.golden is not None

    check()


def test_the_fixtures_are_what_real_mxnet_makes(mxnet_1x: Path, tmp_path: Path) -> None:
    """Weights and configurations byte for byte; recordings to the last bits on another CPU."""
    run(mxnet_1x, "fixtures/make_1x.py", tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text()) == zoo_1x.MANIFEST
    for name in zoo_1x.MANIFEST:
        made, ours = tmp_path / f"{name}.params", zoo_1x.source(name)
        for ending in (".params", ".yml"):
            assert made.with_suffix(ending).read_bytes() == ours.with_suffix(ending).read_bytes()
        if name not in zoo_1x.NAMES:
            continue
        recording = zoo.read_recording(made.with_suffix(".golden.npz"))
        assert recording.about == zoo_1x.recorded(name).about
        assert recording.named.keys() == zoo_1x.recorded(name).named.keys()
        for word, array in recording.named.items():
            np.testing.assert_allclose(array, zoo_1x.recorded(name).named[word], atol=ATOL)
