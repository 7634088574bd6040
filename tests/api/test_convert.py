"""The Python API, whole: what `convert` writes and returns."""

from __future__ import annotations

import gzip
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import converter
from tests import borts
from tests.params.files import VERSIONS, encode_arrays


@pytest.mark.parametrize("version", VERSIONS)
def test_every_format_version_becomes_the_same_model(version: str, tmp_path: Path) -> None:
    source = tmp_path / f"{version}.params"
    source.write_bytes(encode_arrays(converter.load_params(borts.source("bort_decoder")), version))
    heads = borts.heads("bort_decoder")
    report = converter.convert(source, tmp_path / "out", family="bort", config=heads, atol=1e-5)
    assert report.plan.index.versions == (version,)
    converter.convert(
        borts.source("bort_decoder"), tmp_path / "expected", family="bort", config=heads
    )
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()


@pytest.fixture(params=borts.NAMES)
def converted(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, converter.Report]:
    name = request.param
    out = tmp_path / "out"
    return (
        name,
        out,
        converter.convert(borts.source(name), out, family="bort", config=borts.heads(name)),
    )


def test_the_config(converted: tuple[str, Path, converter.Report]) -> None:
    name, out, _ = converted
    config = json.loads((out / "config.json").read_text("utf-8"))
    stated = borts.MANIFEST[name]
    expected: dict[str, Any] = {
        "architectures": [stated["transformers_class"]],
        "model_type": "bert",
        "dtype": "float16" if name == "bort_float16" else "float32",
        "vocab_size": 97,
        "hidden_size": 32,
        "intermediate_size": 20 if name == "bort_ffn_equals_positions" else 24,
        "num_hidden_layers": 2,
        "num_attention_heads": stated["num_attention_heads"],
        "max_position_embeddings": 20,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "hidden_act": "gelu",
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    assert {key: config[key] for key in expected} == expected
    labels = stated.get("num_labels")
    assert len(config.get("id2label", ())) == (labels or 0)
    assert config.get("problem_type") == ("regression" if labels == 1 else None)


def test_the_report_on_disk(converted: tuple[str, Path, converter.Report]) -> None:
    name, out, report = converted
    told = json.loads((out / "conversion.json").read_text("utf-8"))
    assert told["source"]["sha256"] == borts.MANIFEST[name]["sha256"]
    assert told["source"]["bytes"] == borts.source(name).stat().st_size
    assert told["source"]["format_versions"] == [borts.MANIFEST[name]["array_version"]]
    assert (told["family"], told["known"], told["verified"]) == ("bort", None, True)
    assert told["config_overrides"] == borts.heads(name)
    assert {row["operation"] for row in told["tensors"]} == {"copy", "zeros"}
    tied = {row["source"] for row in told["tied"]}
    sources = {row["source"] for row in told["tensors"] if row["source"]}
    assert sources | tied == {*report.plan.index.tensors}
    assert {"bits", "names", "parity"} <= {k for k, v in told["proof"].items() if v and v["passed"]}
    for library in ("numpy", "safetensors", "torch", "transformers"):
        assert told["tool"][library]


def test_the_model_card(converted: tuple[str, Path, converter.Report]) -> None:
    name, out, report = converted
    card = (out / "README.md").read_text("utf-8")
    own = report.plan.transformers_class
    assert f"from transformers import {own}\n" in card
    assert borts.MANIFEST[name]["sha256"] in card
    assert "layer 2" in card
    assert ("add_pooling_layer=False" in card) == (own == "BertModel")
    assert ("LayerNorm eps 1e-12" in card) == (own == "BertForMaskedLM")
    assert "Agora" in card
    assert str(out) not in card


def test_the_public_names_stay_functions(tmp_path: Path) -> None:
    """Modules of the same names must not take the functions' places once they are imported."""
    name = "bort_backbone"
    converter.convert(borts.source(name), tmp_path / "out", family="bort", config=borts.heads(name))
    converter.verify(borts.source(name), tmp_path / "out")
    inspection = converter.inspect(borts.source(name))
    assert inspection.fits[0].problems == ()
    assert callable(converter.convert)
    assert callable(converter.verify)


def test_the_progress_of_every_stage_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    name = "bort_backbone"
    converter.convert(
        borts.source(name),
        tmp_path / "out",
        family="bort",
        config=borts.heads(name),
        progress=lambda *step: told.append(step),
    )
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == [
        "writing",
        "checking bits",
        "running the source",
        "importing Transformers",
        "checking parity",
        "proof done",
        "flushing to disk",
    ]
    assert all(0 <= done <= total for _, done, total in told)


def test_no_verify_promises_nothing(tmp_path: Path) -> None:
    name = "bort_backbone"
    out = tmp_path / "out"
    report = converter.convert(
        borts.source(name), out, family="bort", config=borts.heads(name), verify=False
    )
    assert report.proof is None
    assert not report.passed
    told = json.loads((out / "conversion.json").read_text("utf-8"))
    assert (told["verified"], told["proof"], told["source"]["sha256"]) == (False, None, None)
    assert "It was not: `--no-verify` was given." in (out / "README.md").read_text("utf-8")
    assert converter.verify(borts.source(name), out).passed


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "gz", "npz"])
def test_an_archive_becomes_the_same_model(kind: str, tmp_path: Path) -> None:
    """A SageMaker `model.tar.gz`, a zipped zoo file, MXNet 2's npz: read in place, and proven."""
    content, source = borts.source("bort_decoder").read_bytes(), tmp_path / f"model.{kind}"
    if kind == "tar.gz":
        with tarfile.open(source, "w:gz") as bundle:
            bundle.add(borts.source("bort_decoder"), "model/bort.params")
    elif kind == "zip":
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bort.params", content)
    elif kind == "gz":
        source.write_bytes(gzip.compress(content))
    else:
        arrays: dict[str, Any] = dict(converter.load_params(borts.source("bort_decoder")))
        np.savez(source, **arrays)
    heads = borts.heads("bort_decoder")
    assert converter.convert(
        source, tmp_path / "out", family="bort", config=heads, atol=1e-5
    ).passed
    converter.convert(
        borts.source("bort_decoder"), tmp_path / "expected", family="bort", config=heads
    )
    found = load_file(tmp_path / "out" / "model.safetensors")
    expected = load_file(tmp_path / "expected" / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
