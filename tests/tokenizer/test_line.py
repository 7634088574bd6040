"""From file to ids: conversions with a tokenizer, one added later, directories tampered with."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import converter
from converter.cli import main
from tests import borts
from tests.tokenizer import cases

ROWS = 605
OPTIONS: dict[str, Any] = cases.files("bort").given()
CASED: Any = cases.files("bert_cased").vocab
CHOICE = ("--family", "bort", "--config", "num_attention_heads=4")
IDS = {"pad": 1, "bos": 0, "eos": 2, "cls": 0, "sep": 2, "mask": 604, "unk": 3}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture Bort with its decoder, and as many rows as the small vocabulary has tokens."""
    path = tmp_path_factory.mktemp("source") / "bort.params"
    arrays = dict(converter.load_params(borts.source("bort_decoder")))
    random = np.random.default_rng(6)
    for name in ("word_embed.0.weight", "decoder.3.bias"):
        old = np.asarray(arrays[name])
        arrays[name] = random.normal(0, 0.1, (ROWS, *old.shape[1:])).astype(np.float32)
    arrays["decoder.3.weight"] = arrays["word_embed.0.weight"]
    converter.save_params(path, arrays)
    return path


def convert(source: Path, out: Path, **more: Any) -> converter.Report:
    choice = more if "table" in more else {"family": "bort", **more}
    return converter.convert(source, out, config={"num_attention_heads": 4}, **choice)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted with its tokenizer."""
    out = tmp_path_factory.mktemp("whole") / "out"
    convert(source, out, **OPTIONS)
    return out


@pytest.fixture(scope="module")
def bare(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted without one."""
    out = tmp_path_factory.mktemp("bare") / "out"
    convert(source, out)
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def contents(folder: Path) -> Mapping[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_text_goes_through_tokenizer_and_model(whole: Path) -> None:
    """The README's quick start: nothing but the directory."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(whole, local_files_only=True)
    model = AutoModelForMaskedLM.from_pretrained(whole, local_files_only=True)
    inputs = tokenizer(
        ["All human <mask> are born free.", "No."], padding=True, return_tensors="pt"
    )
    logits = model(**inputs).logits
    assert logits.shape == (*inputs.input_ids.shape, ROWS)
    assert inputs.input_ids[1, -1] == model.config.pad_token_id == 1
    assert tokenizer.decode(inputs.input_ids[0]) == "<s>All human<mask> are born free.</s>"


def test_the_ids_of_special_tokens_stand_in_the_config(whole: Path) -> None:
    config = read(whole / "config.json")
    assert {role: config[f"{role}_token_id"] for role in IDS} == IDS


def test_the_proof_is_in_the_report_and_the_card(whole: Path, source: Path) -> None:
    record = read(whole / "conversion.json")
    proof = record["proof"]["tokens"]
    assert proof["problems"] == []
    assert proof["own"] == proof["entries"] > 300
    assert record["tokenizer"]["tokens"] == ROWS
    assert record["tokenizer"]["files"] == {
        "vocab": "openwebtext_ccnews_stories_books_cased.vocab",
        "merges": "bort.merges",
    }
    assert str(cases.FOLDER) not in (whole / "conversion.json").read_text("utf-8")
    card = (whole / "README.md").read_text("utf-8")
    assert "- A pair: `<s> A </s> B </s>`, as in training." in card
    assert f"{proof['own']:,} of {proof['entries']:,} sampled entries are their own id" in card
    assert str(cases.FOLDER) not in card
    assert converter.verify(source, whole).passed


def swap_merges(folder: Path) -> None:
    tokenizer = read(folder / "tokenizer.json")
    merges = tokenizer["model"]["merges"]
    merges[0], merges[-1] = merges[-1], merges[0]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")


def swap_ids(folder: Path) -> None:
    ids = read(folder / "vocab.json")
    ids["a"], ids["b"] = ids["b"], ids["a"]
    (folder / "vocab.json").write_text(json.dumps(ids), "utf-8")


def swap_tokens(folder: Path) -> None:
    tokenizer = read(folder / "tokenizer.json")
    ids = tokenizer["model"]["vocab"]
    ids["a"], ids["b"] = ids["b"], ids["a"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")


def second_separator(folder: Path) -> None:
    """RoBERTa's own template."""
    tokenizer = read(folder / "tokenizer.json")
    pair = tokenizer["post_processor"]["pair"]
    pair.insert(2, pair[2])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")


def settings(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in ("tokenizer_config.json", "special_tokens_map.json"):
            path = folder / name
            path.write_text(json.dumps({**read(path), **changes}), "utf-8")

    return change


def config(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**read(path), "pad_token_id": 0}), "utf-8")


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (swap_merges, "tokenizer.json: its model is not what the vocabulary makes"),
        (swap_tokens, "2 tokens have another id, such as"),
        (second_separator, "A and B become"),
        (settings(mask_token="<pad>"), "its mask token is '<pad>'"),
        (settings(model_input_names=["input_ids", "token_type_ids"]), "have the token types"),
        (swap_ids, "its vocabulary is not the one recorded in conversion.json"),
        (config, "pad_token_id is 0, planned 1"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot load it"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot load it"),
    ],
)
def test_a_tokenizer_that_was_changed_is_not_proven(
    copy: Path, source: Path, tamper: Callable[[Path], None], said: str
) -> None:
    tamper(copy)
    result = invoke("verify", "--src", source, "--dst", copy)
    assert result.exit_code == 3, result.output
    assert said in result.stdout


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "says nothing usable of the tokenizer"),
        ({"files": {}, "special": {"pad": 7}}, "says nothing usable of the tokenizer"),
        ([], "cannot be used"),
    ],
)
def test_a_record_that_is_none_is_refused(copy: Path, source: Path, record: Any, said: str) -> None:
    path = copy / "conversion.json"
    path.write_text(json.dumps({**read(path), "tokenizer": record}), "utf-8")
    result = invoke("verify", "--src", source, "--dst", copy)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


def test_a_vocabulary_that_is_gone_is_said(copy: Path, source: Path) -> None:
    (copy / "merges.txt").unlink()
    result = invoke("verify", "--src", source, "--dst", copy)
    assert result.exit_code == 1
    assert "merges.txt: cannot be read" in result.stderr


def test_the_command_says_what_it_took(source: Path, tmp_path: Path) -> None:
    options = [f"--{name}={path}" for name, path in OPTIONS.items()]
    result = invoke(*("--src", source, "--dst", tmp_path / "out", *CHOICE), *options)
    assert result.exit_code == 0, result.output
    assert f"took {OPTIONS['vocab']}\ntook {OPTIONS['merges']}\nwrote" in result.stdout
    assert "\ntokens  passed  " in result.stdout


def test_without_a_vocabulary_one_line_says_what_to_do(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments: list[str | Path] = ["--src", source, "--dst", out, *CHOICE]
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "no tokenizer: no vocabulary with GluonNLP's name for it in " in result.stdout
    assert (
        "roberta-base has the same vocabulary; add one later: bort-convert tokenizer "
        f"--vocab FILE --merges FILE --dst {out}\n" in result.stdout
    )
    assert not (out / "tokenizer.json").exists()
    assert "no tokenizer: " in invoke(*arguments, "--dry-run").stdout


def test_what_was_found_and_does_not_suit_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small Bort on a machine that has RoBERTa's vocabulary."""
    models = tmp_path / "home" / "models"
    models.mkdir(parents=True)
    for file in OPTIONS.values():
        digits = hashlib.sha1(file.read_bytes()).hexdigest()[:8]
        shutil.copy(file, models / f"{file.stem}-{digits}{file.suffix}")
        if file.suffix == ".merges":
            name = f"{file.stem}-{digits}{file.suffix}"
            monkeypatch.setattr("converter.tokenizer.search.MERGES", (name,))
    monkeypatch.setenv("MXNET_HOME", str(models.parent))
    report = convert(borts.source("bort_decoder"), tmp_path / "out")
    assert report.plan.tokenizer is None
    assert "605 tokens and the embedding 97 rows" in report.plan.no_tokenizer
    assert report.passed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--vocab", OPTIONS["vocab"]], "needs --vocab and --merges"),
        (["--vocab", "absent", "--merges", OPTIONS["merges"]], "absent: cannot be read"),
        (["--vocab", CASED, "--merges", OPTIONS["merges"]], "no bos"),
    ],
)
def test_wrong_files_are_refused_before_anything_is_written(
    source: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    result = invoke(*("--src", source, "--dst", tmp_path / "out", *CHOICE), *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert [*tmp_path.iterdir()] == []


def test_a_tokenizer_added_later_is_the_one_converted_with(
    bare: Path, whole: Path, source: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(bare, tmp_path / "out"))
    (out / "mine.txt").write_text("mine")
    (out / "folder").mkdir()
    (out / "folder" / "mine.txt").write_text("mine")
    inode = (out / "model.safetensors").stat().st_ino
    options = [f"--{name}={path}" for name, path in OPTIONS.items()]
    result = invoke("tokenizer", "--dst", out, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"wrote {out}\n")
    assert (out / "model.safetensors").stat().st_ino == inode  # not one byte of weights is copied
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
    section = (whole / card).read_text("utf-8").split("## ")[1]
    assert section.startswith("Tokenizer")
    assert section in (out / card).read_text("utf-8")
    assert "not part of this directory" not in (out / card).read_text("utf-8")
    assert converter.verify(source, out).passed
    assert invoke("tokenizer", "--dst", out, *options, "--quiet").stdout == ""  # and once more
    assert converter.verify(source, out).passed


def test_a_tokenizer_that_does_not_suit_leaves_the_directory(bare: Path) -> None:
    before = contents(bare)
    result = invoke("tokenizer", "--dst", bare, "--vocab", CASED)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "needs --vocab and --merges" in result.stderr
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
    assert "in GluonNLP" in result.stderr
    assert contents(bare) == before


def broken(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def made(prepared: Any) -> Any:
        from tokenizers.pre_tokenizers import ByteLevel

        tokenizer = make(prepared)
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
        return tokenizer

    return made


def test_a_tokenizer_needs_a_directory_of_ours(tmp_path: Path) -> None:
    result = invoke("tokenizer", "--dst", tmp_path, "--vocab", "x")
    assert result.exit_code == 1
    assert "a directory that bort-convert wrote is needed" in result.stderr


def test_a_table_without_a_tokenizer_has_none(source: Path, bare: Path, tmp_path: Path) -> None:
    from converter.table_toml import load_family

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
