"""Live parity: real MXNet + GluonNLP write and run fresh Borts; the converted ones give the same.

Both stacks are asked: MXNet 1.5.0 + GluonNLP 0.8.3 (the original pins) and 1.9.1 + 0.10.0.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import converter
from tests import borts

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
ATOL = 1e-5
BASE: dict[str, Any] = {
    "num_layers": 3,
    "units": 48,
    "hidden_size": 40,
    "max_length": 64,
    "vocab_size": 301,
}
SIZES: dict[str, tuple[int, dict[str, Any]]] = {
    "decoder": (6, {"use_decoder": True}),
    "one_head": (1, {"use_decoder": True, "num_layers": 1}),
    "backbone": (8, {"num_layers": 5}),
    "classes": (4, {"num_classes": 17, "classifier_dropout": True}),
    "no_dropout": (12, {"num_classes": 2}),
    "regression": (3, {"num_classes": 1, "classifier_dropout": True}),
    "wide_ffn": (4, {"hidden_size": 200, "use_decoder": True}),
}
SPECS: list[dict[str, Any]] = [
    {"name": name, "num_heads": heads, "seed": 100 + number, "sizes": {**BASE, **sizes}}
    for number, (name, (heads, sizes)) in enumerate(SIZES.items())
]
VERSIONS = ("1.5.0", "1.9.1")


def run(python: Path, *arguments: str | Path) -> None:
    command = [str(python), "-W", "ignore", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def fresh(
    tmp_path_factory: pytest.TempPathFactory, mxnet_original: Path, mxnet_latest: Path
) -> Path:
    """A folder with every spec written by 1.5.0, and recorded by both."""
    folder = tmp_path_factory.mktemp("fresh")
    specs = folder / "specs.json"
    specs.write_text(json.dumps(SPECS))
    script = "tests/mxnet/random_borts.py"
    run(mxnet_original, script, folder, specs)
    run(mxnet_latest, script, folder, specs, "--record-only")
    return folder


@pytest.fixture(scope="module", params=SPECS, ids=lambda spec: spec["name"])
def converted(request: pytest.FixtureRequest, fresh: Path) -> tuple[Path, Path]:
    spec = request.param
    source, destination = fresh / f"{spec['name']}.params", fresh / spec["name"]
    heads = {"num_attention_heads": spec["num_heads"]}
    report = converter.convert(source, destination, family="bort", config=heads, atol=ATOL)
    assert report.passed
    return source, destination


@pytest.mark.parametrize("version", VERSIONS)
def test_fresh_borts_are_proven_equal(converted: tuple[Path, Path], version: str) -> None:
    source, destination = converted
    golden = source.with_suffix(f".{version}.golden.npz")
    report = converter.verify(source, destination, golden=golden, atol=ATOL)
    assert report.proof is not None
    assert report.proof.golden is not None
    assert report.proof.golden.recorded["mxnet"] == version
    names = [d.output for d in report.proof.golden.differences]
    assert names[0] == "layer 1"
    assert (names[-1] in ("logits", "log-softmax of mlm_logits")) == bool(report.plan.heads)


@pytest.fixture(scope="module")
def rebuilt(
    tmp_path_factory: pytest.TempPathFactory, mxnet_original: Path, mxnet_latest: Path
) -> Path:
    folder = tmp_path_factory.mktemp("fixtures")
    for python in (mxnet_original, mxnet_latest):
        run(python, "fixtures/make_fixtures.py", folder)
    return folder


@pytest.mark.parametrize("name", borts.NAMES)
def test_the_fixtures_are_what_real_mxnet_makes(rebuilt: Path, name: str) -> None:
    """Weights byte for byte; recordings too on one machine, to the last bits on another CPU."""
    assert (rebuilt / f"{name}.params").read_bytes() == borts.source(name).read_bytes()
    recorded, _ = borts.recorded(name)
    with np.load(rebuilt / f"{name}.golden.npz") as again:
        assert set(again.files) == {*recorded, "about"}
        for key, array in recorded.items():
            np.testing.assert_allclose(again[key], array, atol=ATOL)


def test_the_manifest_is_what_real_mxnet_makes(rebuilt: Path) -> None:
    assert json.loads((rebuilt / "manifest.json").read_text()) == borts.MANIFEST
