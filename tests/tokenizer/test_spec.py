"""Files and a family's rule → a tokenizer, or every reason why not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converter.errors import PlanError, VocabularyError
from converter.tokenizer import Files, make_spec
from converter.tokenizer.build import build
from tests.tokenizer import cases

BORT, CASED = cases.files("bort"), cases.files("bert_cased")
VOCAB = cases.path("bert_cased", "vocab")


def problems(rule: Any, files: Files, rows: int, *arguments: Any) -> str:
    with pytest.raises(PlanError) as error:
        make_spec(rule, files, cases.config(rows), *(arguments or ({},)))
    return str(error.value)


def test_merges_missing_are_asked_for_by_name() -> None:
    said = problems(cases.BORT, Files(vocab=BORT.vocab), 605)
    assert "needs --vocab FILE --merges FILE" in said
    assert "openai_webtext_bpe_ranks-396d4d8e.json" in said
    assert f"given: --vocab {BORT.vocab}" in said


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        (cases.BORT, Files()),
        (cases.BORT, Files(merges=BORT.merges)),
        (cases.BORT, cases.files("kobert_cased")),
        (cases.BERT, BORT),
        (cases.BERT, Files(merges=BORT.merges)),
        (cases.PIECES, CASED),
    ],
)
def test_files_of_another_kind_are_refused(rule: Any, files: Files) -> None:
    assert "the family's tokenizer needs" in problems(rule, files, 605)


def test_a_vocabulary_of_another_size_is_refused() -> None:
    said = problems(cases.BERT, CASED, 30522)
    assert "it has 700 tokens and the embedding 30,522 rows" in said


def test_the_vocabulary_of_another_model_is_refused_with_every_reason() -> None:
    """BERT's vocabulary for Bort: no special token of its names, and not one byte."""
    said = problems(cases.BORT, replace(BORT, vocab=CASED.vocab), 605)
    for reason in ("700 tokens and the embedding 605", "no bos token", "no eos token", "merges"):
        assert reason in said


def test_merges_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.merges"
    other.write_text("#version: 0.2\nĠ x\nĠx q\n", "utf-8")
    said = problems(cases.BORT, replace(BORT, merges=other), 605)
    assert "2 tokens of" in said
    assert "such as 'Ġx', 'Ġxq'" in said


def test_merges_that_are_cut_are_refused(tmp_path: Path) -> None:
    lines = cases.path("bort", "merges").read_text("utf-8").splitlines(keepends=True)
    cut = tmp_path / "cut.merges"
    cut.write_text("".join(lines[:50]), "utf-8")
    said = problems(cases.BORT, replace(BORT, merges=cut), 605)
    assert "the merges are cut or another vocabulary's" in said


def test_a_sentencepiece_model_that_is_not_the_vocabularys_is_refused() -> None:
    files = Files(vocab=CASED.vocab, sentencepiece=cases.files("kobert_cased").sentencepiece)
    assert "pieces of" in problems(cases.BERT, files, 700)


def test_lower_casing_is_told_by_the_name_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "vocab.json"
    path.write_bytes(VOCAB.read_bytes())
    assert "give --lower or --no-lower" in problems(cases.BERT, Files(vocab=path), 700)
    for name, lower in (("a_uncased-0123.vocab", True), ("a_cased-0123.vocab", False)):
        named = path.rename(tmp_path / name)
        assert make_spec(cases.BERT, Files(vocab=named), cases.config(700), {}).lower is lower
        given = make_spec(cases.BERT, Files(vocab=named), cases.config(700), {}, not lower)
        assert given.lower is not lower
        path = named
    told = replace(cases.BERT, lower=True)
    assert make_spec(told, Files(vocab=path), cases.config(700), {}).lower is True


def test_ids_given_by_hand_must_be_the_vocabularys() -> None:
    said = problems(cases.BORT, BORT, 605, {"pad_token_id": 0})
    assert "--config pad_token_id=0: the vocabulary says 1" in said
    make_spec(cases.BORT, BORT, cases.config(605), {"pad_token_id": 1})


@pytest.mark.parametrize(
    ("version", "older", "strips", "longest"),
    [
        (None, True, False, 200),
        ("0.8.3", True, False, 200),
        ("0.9", False, True, 200),
        ("0.10.0", False, True, 200),
        ("1.0", False, False, 100),
    ],
)
def test_each_version_of_gluonnlp_has_its_rules(
    version: str | None, older: bool, strips: bool, longest: int
) -> None:
    found = cases.spec_of("bert_cased", version)
    assert (found.older, found.strip, found.longest_word) == (older, strips, longest)


def test_a_version_that_is_none_is_refused() -> None:
    assert "'newest' is none" in problems(cases.BERT, CASED, 700, {}, None, "newest")


def test_padding_and_length_come_from_the_family() -> None:
    rule = replace(cases.BERT, padding_side="left", reserved=2)
    found = make_spec(rule, CASED, cases.config(700), {})
    assert (found.rule.padding_side, found.max_length) == ("left", 510)
    assert make_spec(replace(rule, length="none"), CASED, cases.config(700), {}).max_length is None


def test_what_the_vocabulary_says_goes_before_what_is_usual(tmp_path: Path) -> None:
    content = json.loads(VOCAB.read_text("utf-8"))
    content["identifiers_to_tokens"]["mask_token"] = "a"
    path = tmp_path / "my_cased.vocab"
    path.write_text(json.dumps(content), "utf-8")
    found = make_spec(cases.BERT, Files(vocab=path), cases.config(700), {})
    assert found.vocabulary.special["mask"] == "a"
    assert found.ids["mask_token_id"] == found.vocabulary.ids["a"]


def test_what_the_library_cannot_use_is_said(tmp_path: Path) -> None:
    """A special token that no template can name."""
    path = tmp_path / "my_cased.vocab"
    path.write_text(VOCAB.read_text("utf-8").replace("[SEP]", "a:b:c"), "utf-8")
    spec = make_spec(cases.BERT, Files(vocab=path), cases.config(700), {})
    with pytest.raises(VocabularyError, match=r"my_cased\.vocab: the tokenizers library cannot"):
        build(spec)
