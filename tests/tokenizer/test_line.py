"""From file to ids: conversions with a tokenizer, and directories tampered with."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import converter
from tests import borts
from tests.report.cards import run_example
from tests.tokenizer import cases
from tests.tokenizer.bort import CASED, CHOICE, IDS, OPTIONS, ROWS, convert, invoke, read


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
    assert "\nlanguage:\n- en\n" in card
    assert run_example(whole)
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
        (settings(padding_side="left"), "it pads on the left, not on the right"),
        (settings(model_max_length=7), "its longest text has 7 tokens, not"),
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


def test_without_a_vocabulary_a_line_says_what_to_do(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments: list[str | Path] = ["--src", source, "--dst", out, *CHOICE]
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "no tokenizer: no vocabulary with GluonNLP's name for it in " in result.stdout
    assert (
        "warning: no text becomes ids, and AutoTokenizer says so, until you add one:\n"
        f"  bort-convert tokenizer --vocab FILE --merges FILE --dst {out}\n" in result.stdout
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
            monkeypatch.setattr("converter.tokenizer.discover.MERGES", (name,))
    monkeypatch.setenv("MXNET_HOME", str(models.parent))
    report = convert(borts.source("bort_decoder"), tmp_path / "out")
    assert report.plan.tokenizer is None
    assert "605 tokens and the embedding 97 rows" in report.plan.no_tokenizer
    assert report.passed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--vocab", OPTIONS["vocab"]], "needs --vocab FILE --merges FILE"),
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
