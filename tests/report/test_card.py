"""The model card is text: nothing in a file makes a line, a heading or a control sequence of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import converter
from converter.params.nonfinite import Nonfinite
from converter.planning.assumptions import Assumed
from converter.proof.tokens import Tokens
from converter.report.card import model_card, with_tokenizer
from converter.tables.load import load_family
from tests import zoo
from tests.faults.making import Arrays, write_params

EVIL = "[CLS]\n## Owned\n\x1b[2J\u202e"
CONFIG = {"num_attention_heads": 4}


def hostile(tmp_path: Path) -> converter.Report:
    """A BERT whose special token, one tensor and file have newlines in their names."""
    arrays: Arrays = dict(converter.load_params(zoo.source("0.10.0/bert_encoder")))
    rows = arrays["word_embed.0.weight"].shape[0]
    tokens = ["[PAD]", "[UNK]", "[SEP]", "[MASK]", EVIL]
    tokens += [f"t{number}" for number in range(rows - len(tokens))]
    special = {"cls_token": EVIL, "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    vocabulary = tmp_path / "vocab_uncased.json"
    vocabulary.write_text(
        json.dumps({"all_tokens": tokens, "special_token_key_value": special}), "utf-8"
    )
    return converter.convert(
        write_params(tmp_path / "a\n## b.params", arrays),
        tmp_path / "out",
        family="bert",
        vocab=vocabulary,
        verify=False,
        config={**CONFIG, "note": EVIL},
    )


def is_plain(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n")) and "\n## Owned" not in text


def test_tokens_and_names_are_escaped(tmp_path: Path) -> None:
    report = hostile(tmp_path)
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert is_plain(card)
    assert r"[CLS]\n## Owned\n\x1b[2J\u202e A" in card
    assert r"`a\n## b.params`" in card
    headings = [line for line in card.split("\n") if line.startswith("## ")]
    assert headings == [
        "## How to use it",
        "## Tokenizer",
        "## How it was proven",
        "## What it cannot do",
        "## Where it comes from",
    ]
    nonfinite = {"t\n## x": Nonfinite(1, 0)}
    assert is_plain(model_card(replace(report, nonfinite=nonfinite), "title\n## y"))


def test_a_section_made_anew_is_escaped(tmp_path: Path) -> None:
    spec = hostile(tmp_path).plan.tokenizer
    assert spec
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    tokens = Tokens(1, 1, 1, 1, ())
    evil = [Assumed("lower", EVIL, EVIL)]
    record = json.loads((tmp_path / "out" / "conversion.json").read_text("utf-8"))
    rest = (spec, tokens, evil, record, load_family("bert"))
    again = with_tokenizer(card, *rest)
    assert is_plain(again)
    assert "- 2 texts, 1 ids as in GluonNLP" in again
    assert with_tokenizer(again, *rest) == again
    assert is_plain(with_tokenizer("", *rest))
