"""GluonNLP's sequences stand in the reference; a table that says otherwise fails the proof."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converter.errors import TableError
from converter.proof.reference.sequences import SEQUENCES, Parts
from converter.proof.reference.settings import REFERENCES
from converter.proof.tokens import check_tokens
from converter.tables.load import family_names, load_family
from converter.tables.tokenizer_rule import TokenizerRule
from converter.tokenizer import make_spec, write_tokenizer
from tests.tokenizer import cases

MODEL = '{"model_type": "bert"}'


def parsed(text: str) -> Parts:
    parts = (part.partition(":") for part in text.split())
    return tuple((word, int(number or 0)) for word, _, number in parts)


@pytest.mark.parametrize("family", family_names())
def test_our_tables_say_what_gluonnlp_does(family: str) -> None:
    table = load_family(family)
    rule, own = table.tokenizer, SEQUENCES[table.reference]
    assert rule is not None
    assert (parsed(rule.single), parsed(rule.pair)) == (own.single, own.pair)
    assert (rule.token_types, rule.lower) == (own.types, own.lower)


def test_every_reference_has_its_sequences() -> None:
    assert SEQUENCES.keys() == REFERENCES.keys()


@pytest.mark.parametrize(
    ("name", "reference", "changes", "said"),
    [
        ("bort", "bort", {"single": "A"}, "A become"),
        ("bort", "bort", {"pair": "bos A eos eos B eos"}, "A and B become"),
        ("bort", "bort", {"single": "bos A eos", "pair": "bos A B eos"}, "A and B become"),
        ("bert_cased", "bert", {"pair": "cls A sep B sep", "single": "cls A sep"}, "token types"),
        ("bert_cased", "bert", {"pair": "cls A sep:1 B:1 sep:1"}, "A and B have the token types"),
        ("bert_cased", "ernie", {"lower": False}, "the table says lower = false: GluonNLP does"),
        ("bert_cased", "xlnet", {"lower": True}, "lower = true: GluonNLP does not lower-case"),
        ("bert_cased", "bort", {"special": {}}, "GluonNLP's sequences have bos, eos"),
    ],
)
def test_a_table_that_says_otherwise_fails(
    name: str, reference: str, changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """It proved itself: the sequence was taken from the table on both sides."""
    case = cases.CASES[name]
    rule: TokenizerRule = replace(cases.RULES[case["tokenizer"]], **changes)
    made = make_spec(rule, cases.files(name), cases.config(cases.ROWS[name]), {}, case.get("lower"))
    write_tokenizer(made, tmp_path)
    (tmp_path / "config.json").write_text(MODEL)
    found = check_tokens(made, tmp_path, reference)
    assert not found.passed
    assert any(said in problem for problem in found.problems), found.problems


def test_an_unknown_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no reference 'brot'; there are: bort"):
        check_tokens(cases.spec_of("bort"), tmp_path, "brot")
