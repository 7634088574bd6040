"""`fixtures/formats/`: what real MXNet wrote, read as that MXNet reads it.

Every array version, dtype and storage that MXNet 0.11.0, 1.5.0 and 1.9.1 can write; manifest.json
holds what each of them found in its own files. The live test makes the files again.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.errors import ParamsError
from converter.params import Weights, load_params, read_index
from tests.conftest import ROOT

FORMATS = ROOT / "fixtures" / "formats"
MANIFEST: dict[str, Any] = json.loads((FORMATS / "manifest.json").read_text("utf-8"))


def test_the_files_are_those_of_the_manifest() -> None:
    assert {path.name for path in FORMATS.glob("*.params")} == MANIFEST.keys()
    for name, stated in MANIFEST.items():
        assert hashlib.sha256((FORMATS / name).read_bytes()).hexdigest() == stated["sha256"]


def test_the_oracles_are_not_few() -> None:
    """Each cell that some MXNet can write: a fixture that lost its tensors would pass the rest."""
    cells = {
        (stated["version"], tensor["storage"], (tensor.get("dense") or tensor)["dtype"])
        for stated in MANIFEST.values()
        for tensor in stated["tensors"]
        if tensor["storage"] != "none"
    }
    common = {"float32", "float64", "float16", "uint8", "int32", "int8", "int64"}
    later = common | {"bool"}
    wanted = {("V1", "dense", dtype) for dtype in common}
    wanted |= {("V2", storage, d) for storage in ("dense", "row_sparse", "csr") for d in later}
    wanted |= {("V3", "dense", dtype) for dtype in later}
    wanted |= {("V2", "dense", "bfloat16"), ("V3", "dense", "bfloat16")}
    assert cells == wanted


@pytest.mark.parametrize("name", MANIFEST)
def test_what_mxnet_wrote_is_read_as_mxnet_reads_it(name: str) -> None:
    stated = MANIFEST[name]
    index = read_index(FORMATS / name)
    assert index.versions == (stated["version"],)
    assert list(index.tensors) == [tensor["name"] for tensor in stated["tensors"]]
    arrays = load_params(FORMATS / name, densify=True)
    with Weights(index, densify=True) as weights:
        for tensor in stated["tensors"]:
            entry, dense = index.tensors[tensor["name"]], tensor.get("dense")
            assert entry.storage == tensor["storage"]
            if entry.storage == "none":
                continue
            if dense is None:  # MXNet 1.9.1 writes sparse bools, and cannot make them dense itself
                assert weights.dense(entry).dtype == np.bool_
                continue
            assert (entry.dtype.name, list(entry.shape)) == (dense["dtype"], dense["shape"])
            value = arrays[tensor["name"]]
            assert (value.dtype, value.shape) == (entry.dtype, entry.shape)
            pieces = b"".join(bytes(piece) for piece in weights.pieces(entry))
            assert pieces.hex() == value.tobytes().hex() == dense["bytes"]


@pytest.mark.parametrize(
    "name",
    [n for n, s in MANIFEST.items() if {t["storage"] for t in s["tensors"]} != {"dense"}],
)
def test_what_has_no_dense_bytes_is_refused_by_its_name(name: str) -> None:
    index, arrays = read_index(FORMATS / name), load_params(FORMATS / name)
    for entry in index.tensors.values():
        if entry.storage != "dense":
            with pytest.raises(ParamsError, match=f"{name}: {entry.name}: "):
                arrays[entry.name]
            with Weights(index) as weights, pytest.raises(ParamsError, match=entry.name):
                next(weights.pieces(entry))


@pytest.mark.parametrize("name", [n for n in MANIFEST if "_exported" in n])
def test_exported_names_say_what_they_are(name: str) -> None:
    kinds = {tensor.partition(":")[0] for tensor in read_index(FORMATS / name).tensors}
    assert kinds == {"arg", "aux"}


def test_the_ends_of_the_dtypes_are_in_the_files() -> None:
    """Smallest, largest and negative zero: what a reader of the wrong width would lose."""
    arrays = load_params(FORMATS / "mxnet-1.9.1_dense.params")
    assert arrays["int64"].min() == np.iinfo(np.int64).min
    assert arrays["float64"].max() == np.finfo(np.float64).max
    assert np.signbit(arrays["float16"].flat[0])
    assert 0 < np.abs(arrays["float32"].flat[2]) < np.finfo(np.float32).tiny


@pytest.mark.live
def test_real_mxnet_makes_the_files_again(
    mxnet_v1: Path, mxnet_original: Path, mxnet_latest: Path, tmp_path: Path
) -> None:
    for python in (mxnet_v1, mxnet_original, mxnet_latest):
        script = ROOT / "fixtures" / "make_formats.py"
        command: list[str | Path] = [python, "-W", "ignore", script, tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {*MANIFEST, "manifest.json"}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (FORMATS / path.name).read_bytes(), path.name
