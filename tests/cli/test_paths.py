"""Paths as people type them: empty, in their home, absent, unreadable, in folders to be made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.borts import source
from tests.cli.test_main import invoke
from tests.faults.making import arguments


@pytest.mark.parametrize(
    "words",
    [
        ["--src", "", "--dst", "out"],
        ["--src", "a.params", "--dst", ""],
        ["--src="],
        ["verify", "--src", "", "--dst", "out"],
        ["inspect", ""],
        ["export", "a.params", ""],
        ["--src", "a.params", "--dst", "out", "--table", ""],
    ],
)
def test_an_empty_path_is_no_path(words: list[str]) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert "is empty: a path is expected" in result.stderr


def test_the_home_directory_is_opened_behind_an_equals_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copy(source("bort_decoder"), tmp_path / "a.params")
    assert invoke("inspect", "~/a.params").exit_code == 0
    told = ["--family=bort", "--config=num_attention_heads=4", "--no-verify"]
    assert invoke("--src=~/a.params", "--dst=~/deep/er/out", *told).exit_code == 0
    assert (tmp_path / "deep" / "er" / "out" / "config.json").is_file()
    (tmp_path / "~").mkdir()
    shutil.copy(source("bort_float16"), tmp_path / "~" / "a.params")
    assert "float16" in invoke("inspect", "~/a.params").stdout, "a folder of that very name"


@pytest.mark.parametrize("kind", ["absent", "unreadable"])
def test_a_source_that_cannot_be_read_is_1(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.params"
    if kind == "unreadable":
        shutil.copy(source("bort_decoder"), path)
        path.chmod(0)
        if os.access(path, os.R_OK):  # root, and Windows: a directory cannot be read as a file
            path.unlink()
            path.mkdir()
    for words in (["--src", str(path), "--dst", str(tmp_path / "out")], ["inspect", str(path)]):
        result = invoke(*words)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert str(path) in result.stderr


def test_parents_of_the_destination_are_made(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    assert invoke(*arguments("bort_decoder", out, "--no-verify")).exit_code == 0
    assert out.is_dir()
