"""What an interactive Python shows of a report: no more than ten lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import converter
from tests import borts, own
from tests.tokenizer import cases


def is_brief(shown: str) -> bool:
    lines = shown.split("\n")
    return len(lines) <= 10 and all(len(line) <= 160 and line.isprintable() for line in lines)


@pytest.mark.parametrize("verify", [True, False])
def test_a_report_is_brief(verify: bool, tmp_path: Path) -> None:
    report = converter.convert(
        borts.source("bort_decoder"),
        tmp_path / "out",
        family="bort",
        config=borts.heads("bort_decoder"),
        verify=verify,
    )
    assert is_brief(repr(report))
    assert "bort_decoder.params: bort → BertForMaskedLM" in repr(report)
    assert ("parity  passed" in repr(report)) == verify
    assert repr(report.plan) == "<TablePlan of bort_decoder.params: bort, 42 tensors>"


def test_an_export_is_brief(tmp_path: Path) -> None:
    report = converter.export(borts.source("bort_decoder"), tmp_path / "a.npz")
    assert is_brief(repr(report))
    assert "bits    passed  42 tensors identical" in repr(report)


def test_an_inspection_is_brief() -> None:
    found = converter.inspect(borts.source("bort_decoder"), content=True)
    told = "<Inspection of bort_decoder.params: 42 tensors, 83,646 bytes; fits bort, roberta>"
    assert repr(found) == told
    mine: Any = converter.inspect(own.source("0.10.0/bert_pair", "structural"))
    assert is_brief(repr(mine))
    assert "fits no family\n  a network of one's own around: bert" in repr(mine)
    assert is_brief(repr(mine.index))
    for one in (*found.fits, *mine.fits, *mine.backbones):
        assert is_brief(repr(one))


def test_a_tokenizer_is_brief() -> None:
    spec = cases.spec_of("bort")
    assert repr(spec).startswith("<TokenizerSpec: byte-level-bpe, 605 tokens of openwebtext_ccnews")
    assert is_brief(repr(spec))
