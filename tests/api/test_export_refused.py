"""`export` refuses what it cannot do, proves what it did, and leaves nothing half-written."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import converter
from converter.errors import (
    ConvertError,
    NonfiniteError,
    ParamsError,
    ParityError,
    PlanError,
    WriteError,
)
from tests.borts import source
from tests.cli.test_main import invoke
from tests.exported import SUFFIXES, assert_equal, write_params_of
from tests.faults.making import Arrays, names_in, run, write_params

EXPORT = "converter.api"


@pytest.mark.parametrize(
    ("prefixes", "said"),
    [
        (["arg:", "aux:"], "arg:a and aux:a would both be 'a'"),
        (["arg"], "nothing would be left of the name arg;"),
        (["nonsense."], "no name begins with 'nonsense.'"),
        ([""], "no name begins with ''"),
        (["gen:", "disc:"], "no name begins with 'gen:' or 'disc:'"),
    ],
)
def test_prefixes_that_cannot_be_stripped(prefixes: list[str], said: str, tmp_path: Path) -> None:
    src = write_params_of(tmp_path, {name: np.ones(1) for name in ("arg:a", "aux:a", "arg")})
    options = [word for prefix in prefixes for word in ("--strip-prefix", prefix)]
    result = invoke("export", src, tmp_path / "a.safetensors", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert names_in(tmp_path) == ["a.params"]


def test_what_a_target_cannot_hold_is_said_at_once(tmp_path: Path) -> None:
    made: Arrays = {
        "__metadata__": np.ones(1),
        "b": np.ones(1, ml_dtypes.bfloat16),
        "n\0l": np.ones(1),
        "twice": np.ones(1),
        "twice.npy": np.ones(1),
    }
    src = write_params_of(tmp_path, made)
    with pytest.raises(PlanError, match="safetensors reserves the name") as caught:
        converter.export(src, tmp_path / "a.safetensors")
    assert len(caught.value.problems) == 1
    with pytest.raises(PlanError, match="no bfloat16; write") as caught:
        converter.export(src, tmp_path / "a.npz")
    assert len(caught.value.problems) == 3
    assert names_in(tmp_path) == ["a.params"]
    ok = {name: made[name] for name in ("__metadata__", "twice.npy")}
    write_params(src, {name: array.astype(np.float32) for name, array in ok.items()})
    assert converter.export(src, tmp_path / "a.npz").passed


@pytest.mark.parametrize(
    ("dst", "options", "said"),
    [
        ("a.bin", {}, "ends neither in .safetensors nor in .npz"),
        ("a.safetensors", {"npz": True}, "an .npz is asked for"),
        ("source.npz", {"force": True}, "is the source itself"),
        ("link.npz", {"force": True}, "is the source itself"),
        ("source.npz/a.npz", {}, "source.npz: is no directory"),
        ("folder.npz", {"force": True}, "is a directory"),
        ("there.npz", {}, "exists"),
    ],
)
def test_destination_that_is_refused(
    dst: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    src = tmp_path / "source.npz"  # whatever it is called
    data = source("bort_backbone").read_bytes()
    src.write_bytes(data)
    (tmp_path / "link.npz").symlink_to(src)
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "there.npz").write_text("older")
    before = names_in(tmp_path)
    with pytest.raises(ConvertError, match=said):
        converter.export(src, tmp_path / dst, **options)
    assert src.read_bytes() == data
    assert names_in(tmp_path) == before
    assert (tmp_path / "there.npz").read_text() == "older"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nonfinite_is_refused_by_name_unless_allowed(suffix: str, tmp_path: Path) -> None:
    made = {"fine": np.ones(3, np.float32), "bad": np.array([np.nan, np.inf, -np.inf, 1])}
    made["half"] = np.array([np.nan, 0], ml_dtypes.bfloat16 if suffix != "npz" else np.float16)
    src, dst = write_params_of(tmp_path, made), tmp_path / f"a.{suffix}"
    with pytest.raises(NonfiniteError) as caught:
        converter.export(src, dst)
    assert caught.value.problems == ("bad: 1 NaN, 2 infinite", "half: 1 NaN, 0 infinite")
    assert names_in(tmp_path) == ["a.params"]
    result = invoke("export", src, dst, "--allow-nonfinite", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report["verified"] is True
    assert report["nonfinite"] == {
        "bad": {"nan": 1, "infinite": 2},
        "half": {"nan": 1, "infinite": 0},
    }
    assert_equal(dst, made)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["bit", "cut", "shape", "extra", "missing"])
def test_proof_sees_what_was_written_wrongly(
    damage: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = import_module("converter.writing.npz") if suffix == "npz" else sys.modules[EXPORT]
    kind = "write_npz" if suffix == "npz" else "write_safetensors"
    write = getattr(module, kind)

    def wrongly(path: Path, tensors: Any, progress: Any) -> None:
        if damage == "missing":
            tensors = tensors[1:]
        if damage == "extra":
            tensors = [
                *tensors,
                type(tensors[0])("more", tensors[0].dtype, (0,), 0, lambda: iter(())),
            ]
        if damage == "shape":
            first = tensors[0]
            tensors[0] = type(first)(
                first.name, first.dtype, (first.nbytes // 4,), first.nbytes, first.pieces
            )
        write(path, tensors, progress)
        data = bytearray(path.read_bytes())
        if damage == "bit":
            data[data.index(np.float32(2.5).tobytes())] ^= 1
        path.write_bytes(data[: -9 if damage == "cut" else None])

    monkeypatch.setattr(module, kind, wrongly)
    src = write_params_of(tmp_path, {"a": np.full((2, 2), 2.5, np.float32), "b": np.ones(3)})
    result = invoke("export", src, tmp_path / f"a.{suffix}")
    assert result.exit_code == 3
    assert "bits    FAILED" in result.stdout
    assert "the proof failed" in result.stderr
    assert names_in(tmp_path) == ["a.params"]
    with pytest.raises(ParityError) as caught:
        converter.export(src, tmp_path / f"a.{suffix}")
    assert caught.value.report.copies.problems
    assert converter.export(src, tmp_path / f"a.{suffix}", verify=False).copies is None


def test_write_errors_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    for suffix in SUFFIXES:
        with pytest.raises(WriteError, match="the disk is full"):
            converter.export(source("bort_decoder"), tmp_path / f"a.{suffix}")
    assert names_in(tmp_path) == []
    assert run("export", "absent.params", str(tmp_path / "a.npz")).returncode == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_source_overwritten_meanwhile_is_refused(suffix: str, tmp_path: Path) -> None:
    copy, out = tmp_path / "copy.params", tmp_path / f"out.{suffix}"
    copy.write_bytes(source("bort_backbone").read_bytes())

    def meanwhile(*_: object) -> None:
        with copy.open("r+b") as file:
            file.seek(-20_000, 2)
            file.write(b"A" * 16)

    with pytest.raises(ParamsError, match="changed while it was read"):
        converter.export(copy, out, verify=False, progress=meanwhile)
    assert names_in(tmp_path) == ["copy.params"]
