"""A tokenizer added later, and what leaves the directory as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import converter
from tests.tokenizer.bort import CASED, OPTIONS, contents, convert, invoke, read
from tests.versions import TRANSFORMERS


def test_a_tokenizer_added_later_is_the_one_converted_with(
    bare: Path, whole: Path, source: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(bare, tmp_path / "out"))
    (out / "mine.txt").write_text("mine")
    (out / "folder").mkdir()
    (out / "folder" / "mine.txt").write_text("mine")
    same_files = ("model.safetensors", "mine.txt", "folder/mine.txt")
    inodes = [(out / name).stat().st_ino for name in same_files]
    options = [f"--{name}={path}" for name, path in OPTIONS.items()]
    result = invoke("tokenizer", "--dst", out, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"wrote {out}\n")
    # not one byte of weights is copied, and what is the user's keeps its owner
    assert [(out / name).stat().st_ino for name in same_files] == inodes
    assert (out / "mine.txt").read_text() == "mine"
    (out / "mine.txt").unlink()
    assert (out / "folder" / "mine.txt").read_text() == "mine"
    shutil.rmtree(out / "folder")
    found, expected = contents(out), contents(whole)
    card, same = "README.md", "conversion.json"
    for name in expected.keys() - {card, same}:
        assert found[name] == expected[name], name
    assert found.keys() == expected.keys()
    records = read(out / same), read(whole / same)
    assert records[0]["tokenizer"] == records[1]["tokenizer"]
    assert records[0]["config"] == records[1]["config"]
    texts = [
        (folder / card).read_text("utf-8").split("## How it was pro")[0] for folder in (out, whole)
    ]
    assert "## Tokenizer" in texts[0]
    assert texts[0] == texts[1]  # with the head and the example
    assert converter.verify(source, out).passed
    once = contents(out)
    assert invoke("tokenizer", "--dst", out, *options, "--quiet").stdout == ""  # and once more
    assert contents(out) == once
    assert converter.verify(source, out).passed


def test_a_tokenizer_that_does_not_suit_leaves_the_directory(bare: Path) -> None:
    before = contents(bare)
    result = invoke("tokenizer", "--dst", bare, "--vocab", CASED)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "needs --vocab FILE --merges FILE" in result.stderr
    assert contents(bare) == before
    assert [*bare.parent.iterdir()] == [bare]


def test_a_proof_that_fails_leaves_the_directory(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a tokenizer that splits otherwise is never published."""
    from converter.tokenizer import build

    monkeypatch.setattr(build, "_byte_level", broken(build._byte_level))
    before = contents(bare)
    options = [f"--{name}={path}" for name, path in OPTIONS.items()]
    result = invoke("tokenizer", "--dst", bare, *options)
    assert result.exit_code == 3
    assert "does not give GluonNLP's ids" in result.stderr
    # Transformers 4 makes its own of this class, which is right: the file alone is not
    said = "in GluonNLP" if TRANSFORMERS > 4 else "its pre_tokenizer is not what the vocabulary"
    assert said in result.stderr
    assert contents(bare) == before


def broken(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def made(spec: Any) -> Any:
        from tokenizers.pre_tokenizers import ByteLevel

        tokenizer = make(spec)
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
        return tokenizer

    return made


def test_a_tokenizer_needs_a_directory_of_ours(tmp_path: Path) -> None:
    result = invoke("tokenizer", "--dst", tmp_path, "--vocab", "x")
    assert result.exit_code == 1
    assert "a directory that bort-convert wrote is needed" in result.stderr


def test_a_table_without_a_tokenizer_has_none(source: Path, bare: Path, tmp_path: Path) -> None:
    from converter.tables.load import load_family

    text = load_family("bort").text
    start, end = text.index("[tokenizer]"), text.index("[golden]")
    table = tmp_path / "mine.toml"
    table.write_text(text[:start] + text[end:], "utf-8")
    report = convert(source, tmp_path / "out", table=table)
    assert report.plan.no_tokenizer == "the family's table has no [tokenizer]"
    with pytest.raises(converter.PlanError, match=r"mine\.toml has no \[tokenizer\]"):
        convert(source, tmp_path / "other", table=table, **OPTIONS)
    with pytest.raises(converter.ConvertError, match="give it by --table"):
        converter.add_tokenizer(tmp_path / "out", **OPTIONS)
    with pytest.raises(converter.PlanError, match=r"has no \[tokenizer\]"):
        converter.add_tokenizer(tmp_path / "out", **OPTIONS, table=table)


def test_importing_the_package_imports_no_tokenizer_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, converter; print({'tokenizers', 'sentencepiece', 'google'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
