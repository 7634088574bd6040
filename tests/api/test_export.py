"""`export`: any parameters file as safetensors or npz, under its own names, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file

import converter
from converter.errors import (
    PlanError,
)
from converter.report.terminal import export_summary
from tests.borts import NAMES, source
from tests.cli.test_main import invoke
from tests.conftest import ROOT
from tests.exported import SUFFIXES, assert_equal, loaded, write_params_of
from tests.faults.making import names_in
from tests.memory import peak
from tests.params.files import Array, File
from tests.params.strategies import FLAGS, arrays, dtype_of

FORMATS = ROOT / "fixtures" / "formats"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES)
def test_fixtures_come_out_as_they_are(name: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    report = converter.export(source(name), path)
    assert report.passed
    assert report.copies is not None
    assert report.copies.identical == len(report.names)
    assert_equal(path, converter.load_params(source(name)))
    assert names_in(tmp_path) == [path.name]


@given(st.data(), st.sampled_from(SUFFIXES), st.sampled_from(["V0", "V1", "V2", "V3"]))
def test_any_dtype_and_shape(folder: Path, data: st.DataObject, suffix: str, version: str) -> None:
    made: list[Array] = data.draw(st.lists(arrays(version), max_size=4))
    if suffix == "npz":
        made = [array for array in made if FLAGS[array.flag] != "bfloat16"]
    names = [f"é/{number}:x" for number in range(len(made))]
    src, dst = folder / "a.params", folder / f"a.{suffix}"
    src.write_bytes(File(made, names, version).encode())
    report = converter.export(src, dst, force=True, allow_nonfinite=True)
    assert report.passed
    expected = {
        name: np.frombuffer(array.data, dtype_of(array.flag)).reshape(array.shape)
        for name, array in zip(names, made, strict=True)
    }
    assert_equal(dst, expected)
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    "shape", [(3_000_000,), (2, 1, 2_500_000), (1, 3, 1500, 700), (5_000_000, 1)]
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tensors_of_many_blocks(shape: tuple[int, ...], suffix: str, tmp_path: Path) -> None:
    array = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    src, dst = write_params_of(tmp_path, {"a": array}), tmp_path / f"a.{suffix}"
    assert converter.export(src, dst).passed
    assert_equal(dst, {"a": array})


def test_safetensors_says_for_whom_it_is(tmp_path: Path) -> None:
    converter.export(source("bort_decoder"), tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_file_twice_is_the_same_to_the_byte(suffix: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        converter.export(source("bort_decoder"), tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_prefixes_are_stripped_one_after_another(tmp_path: Path) -> None:
    made = {
        name: np.full(2, number)
        for number, name in enumerate(["arg:bort.w", "aux:mean", "arg:arg:b", "c"])
    }
    src, dst = write_params_of(tmp_path, made), tmp_path / "a.npz"
    report = converter.export(src, dst, strip_prefixes=["arg:", "aux:", "bort."])
    assert {name: entry.name for name, entry in report.names.items()} == {
        "w": "arg:bort.w",
        "mean": "aux:mean",
        "arg:b": "arg:arg:b",
        "c": "c",
    }
    assert_equal(dst, dict(zip(["w", "mean", "arg:b", "c"], made.values(), strict=True)))


def test_a_prefix_that_no_name_has_is_a_note_where_another_was_there(tmp_path: Path) -> None:
    """An exported network without BatchNorm has no aux:, and the README strips both."""
    src, dst = write_params_of(tmp_path, {"arg:w": np.ones(1)}), tmp_path / "a.npz"
    result = invoke("export", src, dst, "--strip-prefix", "arg:", "--strip-prefix", "aux:")
    assert result.exit_code == 0, result.stderr
    assert "note: no name begins with aux:\n" in result.stdout
    assert_equal(dst, {"w": np.ones(1)})


def test_a_folder_is_exported_as_it_is_inspected(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    src = write_params_of(folder, {"w": np.ones(1)})
    assert invoke("inspect", folder).exit_code == 0
    result = invoke("export", folder, tmp_path / "a.safetensors")
    assert result.exit_code == 0, result.stderr
    assert_equal(tmp_path / "a.safetensors", {"w": np.ones(1)})
    (folder / "other.params").write_bytes(src.read_bytes())
    for result in (invoke("inspect", folder), invoke("export", folder, tmp_path / "b.npz")):
        assert result.exit_code == 1
        assert "several .params files" in result.stderr
        assert "a.params, other.params" in result.stderr


def test_force_replaces_a_file_and_npz_needs_no_suffix(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_text("older")
    result = invoke("export", source("bort_decoder"), path, "--npz")
    assert (result.exit_code, path.read_text()) == (1, "older")
    result = invoke("export", source("bort_decoder"), path, "--npz", "--force")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith(f"wrote {path}\n")
    assert_equal(path.rename(tmp_path / "a.npz"), converter.load_params(source("bort_decoder")))


def test_quiet_says_nothing_and_no_verify_says_so(tmp_path: Path) -> None:
    args = ["export", str(source("bort_decoder")), str(tmp_path / "a.npz"), "--force"]
    assert invoke(*args, "--quiet").output == ""
    assert "not verified (--no-verify)" in invoke(*args, "--no-verify").stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver of this measure is a shell")
def test_memory_stays_small_and_torch_is_not_imported(tmp_path: Path) -> None:
    src = write_params_of(tmp_path, {"a": np.zeros((150, 1_000_000), np.uint8)})
    for suffix in SUFFIXES:
        script = [
            "import sys, converter",
            f"converter.export({str(src)!r}, {str(tmp_path / 'a')!r} + '.{suffix}')",
            "assert not {'torch', 'transformers', 'scipy'} & sys.modules.keys()",
        ]
        assert peak("\n".join(script))[0] < 100_000_000


@pytest.mark.live
@pytest.mark.parametrize("environment", ["mxnet_original", "mxnet_latest"])
def test_what_hybrid_block_export_wrote(
    environment: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Real MXNet's `arg:` and `aux:` names; the numbers are those MXNet has in memory."""
    python = request.getfixturevalue(environment)
    script = ROOT / "tests" / "mxnet" / "export_block.py"
    printed = subprocess.check_output([python, "-W", "ignore", script, tmp_path / "net"])
    src, dst = tmp_path / "net-0000.params", tmp_path / "net.safetensors"
    assert {name.split(":")[0] for name in converter.load_params(src)} == {"arg", "aux"}
    converter.export(src, dst, strip_prefixes=["arg:", "aux:"])
    found = {n: hashlib.sha256(array.tobytes()).hexdigest() for n, array in load_file(dst).items()}
    assert found == json.loads(printed.splitlines()[-1])


@pytest.mark.parametrize("name", ["mxnet-1.5.0_row_sparse", "mxnet-1.9.1_csr"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sparse_tensors_on_request(name: str, suffix: str, tmp_path: Path) -> None:
    oracle, out = FORMATS / f"{name}.params", tmp_path / f"out.{suffix}"
    with pytest.raises(PlanError, match=r"is (row_sparse|csr); --densify writes it in full"):
        converter.export(oracle, out)
    assert not out.exists()
    report = converter.export(oracle, out, densify=True)
    assert report.passed
    expected = converter.load_params(oracle, densify=True)
    found = loaded(out)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)


def test_a_name_without_array_is_left_out_and_said(tmp_path: Path) -> None:
    oracle = FORMATS / "mxnet-0.11.0_no_array.params"
    report = converter.export(oracle, tmp_path / "out.npz")
    empty = [n for n, e in report.index.tensors.items() if e.storage == "none"]
    assert empty
    assert report.to_json()["left_out"] == empty
    assert f"left out, it holds no array: {empty[0]}" in "\n".join(export_summary(report))
