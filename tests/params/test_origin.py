"""`inspect`: what a file tells of its origin, and what its weights tell when they are read."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from converter import inspect
from converter.params import Index, origin, read_index
from converter.params.content import read_content
from converter.params.nonfinite import Nonfinite
from converter.params.weights import PIECE
from tests.cli.test_main import invoke
from tests.params.files import VERSIONS, Array, File, csr, nothing, row_sparse

ONE = Array((2,), bytes(8))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.params"


def write(
    path: Path, *arrays: Array | bytes, version: str = "V2", names: list[str] | None = None
) -> Index:
    path.write_bytes(File(arrays, names, version).encode())
    return read_index(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_version_tells_the_mxnet(version: str, path: Path) -> None:
    index = write(path, ONE, version=version)
    assert origin.eras(index) == {version: origin.ERAS[version]}
    assert f"format: {version}, written by MXNet" in invoke("inspect", path).stdout


@pytest.mark.parametrize(
    ("names", "scheme"),
    [
        (["encoder.transformer_cells.0.proj.weight", "weight"], "structural"),
        (["transitions", "bert.encoder.position_weight"], "structural"),
        (["_start", "lstm._unfused.0.l_cell.i2h_weight"], "structural"),
        (["encoder.weight", "dense0_weight"], "other"),
        (["encoder.weight", "layer 1"], "other"),
        (["bertencoder0_transformer0_proj_weight", "dense12_bias"], "name-scope"),
        (["net0_dense0_weight", "net0_dense0_bias", "transitions"], "name-scope"),
        (["convolution0_weight", "cls_weight", "data"], "other"),
        (["arg:conv0_weight", "aux:bn_moving_mean"], "exported"),
        (["arg:conv0_weight", "conv0_bias"], "other"),
        (["fc_weight", "a"], "other"),
        (["0", "1"], "positions"),
        (None, "positions"),
    ],
)
def test_the_names_tell_how_it_was_saved(names: list[str] | None, scheme: str, path: Path) -> None:
    arrays = [ONE] * len(names or "12")
    assert origin.naming(write(path, *arrays, names=names)) == scheme


def test_the_zoo_is_known_by_file_name_and_by_sum(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = origin.zoo()
    assert len(zoo) == 37
    assert all(len(bytes.fromhex(sha1)) == 20 for sha1 in zoo.values())
    name = "bert_12_768_12_book_corpus_wiki_en_uncased"
    assert zoo[name].startswith("75cc780f")
    index = write(path.with_name(f"{name}-75cc780f.params"), ONE)
    assert origin.zoo_model(index) == (name, "file name")
    assert origin.zoo_model(index, "0" * 40) is None
    assert origin.zoo_model(write(path, ONE)) is None
    assert origin.zoo_model(write(path, ONE), zoo[name]) == (name, "sha1")
    monkeypatch.setattr(
        origin, "zoo", lambda: {"mine": hashlib.sha1(path.read_bytes()).hexdigest()}
    )
    assert "GluonNLP's zoo: mine, by its sha1" in invoke("inspect", path, "--content").stdout
    assert "GluonNLP's zoo" not in invoke("inspect", path).stdout


def test_the_whole_of_a_mixed_file(path: Path) -> None:
    rows = row_sparse((5, 2), [0, 3], np.array([[1, np.nan], [3, 4]], "<f4"))
    matrix = csr((3, 4), [0, 2, 2, 3], [0, 2, 1], np.array([1, 2, 3], "<f4"))
    write(path, rows, matrix, nothing("V2"), ONE, names=["r", "c", "n", "d"])
    told = invoke("inspect", path, "--content").stdout.split("\n")
    assert "sparse: r, c" in told
    assert "without array: n" in told
    assert "dtypes: 3 float32" in told
    assert "not finite: r: 1 NaN, 0 infinite" in told
    assert "one value throughout: 1 tensors" in told
    found = json.loads(invoke("inspect", path, "--content", "--json").stdout)
    assert [tensor["storage"] for tensor in found["tensors"]] == [
        "row_sparse",
        "csr",
        "none",
        "dense",
    ]
    assert found["tensors"][2]["dtype"] is None
    assert found["content"]["nonfinite"] == {"r": {"nan": 1, "infinite": 0}}
    assert found["written_by"] == {"V2": "MXNet 0.12 or later"}
    assert (found["container"], found["naming"], found["zoo_model"]) == ("params", "other", None)
    assert json.loads(invoke("inspect", path, "--json").stdout)["content"] is None


@pytest.mark.parametrize("packed", [False, True])
def test_the_content_is_counted_over_all_pieces(packed: bool, path: Path) -> None:
    large = np.arange(PIECE, dtype="<f4")  # four pieces
    large[[3, PIECE - 1]] = np.nan, -np.inf
    half = np.array([1, np.nan, np.inf, np.inf], ml_dtypes.bfloat16)
    number = np.arange(4, dtype="<i8")
    made = [
        Array(large.shape, large.tobytes()),
        Array(half.shape, half.tobytes(), 12),
        Array(large.shape, large.tobytes()),
        Array((4, PIECE // 4), large.tobytes()),  # the same bytes in another shape
        Array(number.shape, number.tobytes(), 6),
        Array((3,), bytes(12)),
        Array((3,), bytes(12)),
    ]
    names = ["a", "half", "b", "shaped", "n", "zero", "zero too"]
    index = write(path, *made, names=names)
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
        index = read_index(path)
    content = read_content(index)
    assert content.sha1 == (None if packed else sha1)
    assert content.equal == (("a", "b"),)
    assert content.constant == 2
    assert content.nonfinite == {
        **dict.fromkeys(["a", "b", "shaped"], Nonfinite(1, 1)),
        "half": Nonfinite(1, 2),
    }
    assert inspect(path).content is None
    assert inspect(path, content=True).content == content


def test_the_tied_decoder_of_a_fixture_is_found(fixtures: Path) -> None:
    content = inspect(fixtures / "bort_decoder.params", content=True).content
    assert content is not None
    assert ("word_embed.0.weight", "decoder.3.weight") in content.equal
    assert content.nonfinite == {}
